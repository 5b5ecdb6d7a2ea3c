/** The audio connection to the provider: audio both ways and nothing else, no data channel. */

export interface Listener {
  /** The agent's sound is there. */
  heard(sound: MediaStream): void;
  /** The connection is lost for good. */
  broke(): void;
}

export class Line {
  // Without servers to ask, no request leaves this origin.
  private readonly connection = new RTCPeerConnection({ iceServers: [] });
  private readonly speaker = new Audio();

  constructor(voice: MediaStream, listener: Listener) {
    this.speaker.autoplay = true;
    this.connection.addEventListener("track", ({ track, streams }) => {
      if (this.connection.signalingState === "closed") return;
      const sound = streams[0] ?? new MediaStream([track]);
      this.speaker.srcObject = sound;
      listener.heard(sound);
    });
    this.connection.addEventListener("connectionstatechange", () => {
      if (this.connection.connectionState === "failed") listener.broke();
    });
    for (const track of voice.getAudioTracks()) this.connection.addTrack(track, voice);
  }

  /** Return the offer, in SDP. */
  async offer(): Promise<string> {
    await this.connection.setLocalDescription();
    return this.connection.localDescription?.sdp ?? "";
  }

  /** Take the provider's answer. */
  async take(sdp: string): Promise<void> {
    if (this.connection.signalingState === "closed") return;
    await this.connection.setRemoteDescription({ type: "answer", sdp });
  }

  /** Let nothing be heard any more. */
  hush(): void {
    this.speaker.srcObject = null;
  }

  close(): void {
    this.hush();
    this.connection.close();
  }
}
