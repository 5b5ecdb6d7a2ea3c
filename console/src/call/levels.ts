/** How loud both sides are, ten times a second. */

import { Store } from "../store";

export interface Levels {
  /** 0 silent to 4 loud. */
  readonly user: number;
  readonly agent: number;
}

const SILENT: Levels = { user: 0, agent: 0 };
const EVERY_MS = 100;
/** Above these root mean squares a sound counts as 1, 2, 3 and 4. */
const STEPS = [0.008, 0.03, 0.08, 0.18];

export class Meters {
  readonly levels = new Store<Levels>(SILENT);
  private readonly context = new AudioContext();
  private readonly analysers: { user?: AnalyserNode; agent?: AnalyserNode } = {};
  private readonly timer = setInterval(() => this.measure(), EVERY_MS);
  private readonly samples = new Float32Array(1024);

  add(side: "user" | "agent", stream: MediaStream): void {
    const analyser = new AnalyserNode(this.context, { fftSize: this.samples.length });
    this.context.createMediaStreamSource(stream).connect(analyser);
    this.analysers[side] = analyser;
    void this.context.resume();
  }

  close(): void {
    clearInterval(this.timer);
    this.levels.set(SILENT);
    void this.context.close();
  }

  private measure(): void {
    const { user: before, agent: last } = this.levels.value;
    const [user, agent] = [this.loudness("user"), this.loudness("agent")];
    if (user !== before || agent !== last) this.levels.set({ user, agent });
  }

  private loudness(side: "user" | "agent"): number {
    const analyser = this.analysers[side];
    if (!analyser) return 0;
    analyser.getFloatTimeDomainData(this.samples);
    const power = this.samples.reduce((sum, sample) => sum + sample * sample, 0);
    const loudness = Math.sqrt(power / this.samples.length);
    return STEPS.filter((step) => loudness > step).length;
  }
}
