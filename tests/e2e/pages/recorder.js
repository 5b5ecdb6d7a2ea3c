// Runs before the scripts of any page: keeps its connections, and records what they bring.
"use strict";

window.recorder = { recording, statistics };

const peers = [];
const recorders = [];

window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...options) {
    super(...options);
    peers.push(this);
    this.addEventListener("track", ({ track }) => record(new MediaStream([track])));
  }
};

function record(stream) {
  const recorder = new MediaRecorder(stream, { mimeType: "audio/webm;codecs=opus" });
  const chunks = [];
  recorder.ondataavailable = ({ data }) => chunks.push(data);
  recorder.start();
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  recorders.push({ recorder, chunks, analyser });
}

/** Resolves when nothing has been heard for a while: what was sent last is played later. */
function quiet(recorded) {
  const samples = new Float32Array(recorded.analyser.fftSize);
  return new Promise((resolve) => {
    let heardAt = performance.now();
    const timer = setInterval(() => {
      recorded.analyser.getFloatTimeDomainData(samples);
      if (samples.some((sample) => Math.abs(sample) > 0.01)) heardAt = performance.now();
      if (performance.now() - heardAt < 1000) return;
      clearInterval(timer);
      resolve();
    }, 20);
  });
}

/** Ends the newest recording, once it is quiet, and returns it: a WebM file in base64. */
async function recording() {
  const { recorder, chunks } = recorders.at(-1);
  await quiet(recorders.at(-1));
  if (recorder.state !== "inactive") {
    const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve));
    recorder.stop();
    await stopped;
  }
  const reader = new FileReader();
  const read = new Promise((resolve) => reader.addEventListener("load", resolve));
  reader.readAsDataURL(new Blob(chunks));
  await read;
  return reader.result.split(",")[1];
}

/** Returns the browser's own statistics of the newest connection's audio, by type. */
async function statistics() {
  const found = {};
  for (const report of (await peers.at(-1).getStats()).values()) {
    if (report.kind === "audio") found[report.type] = { ...found[report.type], ...report };
  }
  return found;
}
