// Many requests for one piece of work.

/** Does a piece of work once for all requests that come within `delay` milliseconds, and never twice at a time. */
export class Coalesced {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private waiting: Promise<void> | undefined;

  constructor(
    private readonly work: () => Promise<void>,
    private readonly delay: number,
  ) {}

  /** Asks for the work. What is asked for during the work is done after it, once. */
  request(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.now(), this.delay);
  }

  /** Does the work without a delay, after the one under way, for all that was asked for before. */
  now(): Promise<void> {
    clearTimeout(this.timer);
    this.waiting ??= this.next();
    return this.waiting;
  }

  /** Forgets what was asked for, and waits for what is under way. */
  async stop(): Promise<void> {
    clearTimeout(this.timer);
    await this.running;
  }

  private async next(): Promise<void> {
    await this.running;
    this.waiting = undefined;
    this.running = this.work();
    await this.running;
  }
}
