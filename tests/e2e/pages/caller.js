// The least a page needs for a call over REST and WebRTC, and what a test wants to know of it.
"use strict";

const RATE = 16000; // what is heard is kept as samples of this rate
const AUDIBLE = 0.01;
const QUIET_PIECES = 40; // of 20 ms: pauses between words are shorter

class Caller {
  constructor() {
    this.received = []; // over the data channel
    this.pieces = []; // what was heard
    this.loud = false; // whether the agent is heard now
    this.heard = 0; // how often the agent was heard after silence
    this.quiet = QUIET_PIECES;
    this.waiting = new Set();
    this.channel = null;
  }

  /** Resolves when something is so; it is looked at whenever anything has changed. */
  until(condition) {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => this.waiting.add({ condition, resolve }));
  }

  changed() {
    for (const wait of this.waiting) {
      if (!wait.condition()) continue;
      this.waiting.delete(wait);
      wait.resolve();
    }
  }

  async post(path, headers, body) {
    const answer = await fetch(this.gateway + path, { method: "POST", headers, body });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${answer.status} ${text}`);
    return text;
  }

  /** Starts a session of a target and returns the answer. */
  async start(gateway, target) {
    this.gateway = gateway;
    const json = { "Content-Type": "application/json" };
    const path = `/api/v1/session-targets/${target}/start`;
    this.started = JSON.parse(await this.post(path, json, "{}"));
    this.headers = { Authorization: `Bearer ${this.started.session_token}` };
    this.watched = this.watch();
    addEventListener("pagehide", () => this.leave());
    return this.started;
  }

  /** Keeps the session's events open, which tells the server that somebody is there. */
  async watch() {
    const stream = await fetch(this.gateway + this.started.events_url, { headers: this.headers });
    const reader = stream.body.getReader();
    while (!(await reader.read()).done);
  }

  /** Places the call; nothing is said in it before `speak`. */
  async call(withChannel) {
    this.peer = new RTCPeerConnection();
    this.peer.ontrack = (event) => this.listen(event.streams[0] ?? new MediaStream([event.track]));
    this.peer.onconnectionstatechange = () => this.changed();
    const nothing = new AudioContext().createMediaStreamDestination();
    this.microphone = this.peer.addTrack(nothing.stream.getAudioTracks()[0]);
    if (withChannel) this.join(this.peer.createDataChannel("oai-events"));
    await this.peer.setLocalDescription();
    const headers = { ...this.headers, "Content-Type": "application/sdp" };
    const sdp = await this.post(this.started.offer_url, headers, this.peer.localDescription.sdp);
    await this.peer.setRemoteDescription({ type: "answer", sdp });
    await this.until(() => this.peer.connectionState === "connected");
    await this.until(() => !withChannel || this.channel.readyState === "open");
  }

  /** Opens the microphone, once more if need be: its file plays from the beginning. */
  async speak() {
    this.microphone.track.stop();
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    await this.microphone.replaceTrack(stream.getAudioTracks()[0]);
  }

  join(channel) {
    this.channel = channel;
    channel.onopen = () => this.changed();
    channel.onmessage = (message) => {
      this.received.push(JSON.parse(message.data));
      this.changed();
    };
  }

  send(...events) {
    for (const event of events) this.channel.send(JSON.stringify(event));
  }

  /** Resolves to the events of a type when there are so many. */
  async saw(type, count = 1) {
    const found = () => this.received.filter((event) => event.type === type);
    await this.until(() => found().length >= count);
    return found();
  }

  async listen(stream) {
    this.audio = new Audio(); // the browser's statistics are of what is played
    this.audio.srcObject = stream;
    await this.audio.play();
    const context = new AudioContext({ sampleRate: RATE });
    await context.audioWorklet.addModule("meter.js");
    const meter = new AudioWorkletNode(context, "meter", { numberOfOutputs: 0 });
    meter.port.onmessage = ({ data }) => this.hear(data);
    context.createMediaStreamSource(stream).connect(meter);
  }

  hear(piece) {
    this.pieces.push(piece);
    const level = Math.sqrt(piece.reduce((sum, sample) => sum + sample * sample, 0) / piece.length);
    this.quiet = level > AUDIBLE ? 0 : this.quiet + 1;
    const loud = this.quiet < QUIET_PIECES;
    if (loud && !this.loud) this.heard++;
    this.loud = loud;
    this.changed();
  }

  /** Returns what was heard so far as 16-bit samples, in base64. */
  recording() {
    const samples = this.pieces.flatMap((piece) => [...piece]);
    const words = Int16Array.from(samples, (s) => Math.max(-1, Math.min(1, s)) * 0x7fff);
    const bytes = new Uint8Array(words.buffer);
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  }

  /** Returns the browser's own statistics of the audio, by type. */
  async stats() {
    const found = {};
    for (const report of (await this.peer.getStats()).values()) {
      if (report.kind === "audio") found[report.type] = { ...found[report.type], ...report };
    }
    return found;
  }

  /** Calls a tool, as far as a page may. */
  async invoke(tool, body) {
    const path = this.started.tool_url.replace("{tool}", tool);
    const headers = { ...this.headers, "Content-Type": "application/json" };
    return JSON.parse(await this.post(path, headers, JSON.stringify(body)));
  }

  /** Ends the session, in a request that outlives the page. */
  leave() {
    const path = `/api/v1/session-instances/${this.started.session_id}/end`;
    const headers = { ...this.headers, "Content-Type": "application/json" };
    const options = { method: "POST", headers, body: "{}", keepalive: true };
    return fetch(this.gateway + path, options);
  }
}

const caller = new Caller();
