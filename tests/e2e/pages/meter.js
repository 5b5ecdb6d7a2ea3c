// Hands on what is heard, 20 ms at a time.
class Meter extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(sampleRate / 50);
    this.length = 0;
  }

  process([[samples = []]]) {
    for (const sample of samples) {
      this.piece[this.length++] = sample;
      if (this.length === this.piece.length) {
        this.port.postMessage(this.piece);
        this.length = 0;
      }
    }
    return true;
  }
}

registerProcessor("meter", Meter);
