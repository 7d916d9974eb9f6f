// The life of the server: found, started, replaced when another one is chosen, and stopped.

import type { Found, Launch, Problem } from './python';

/** One running server. */
export interface Connection {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** The last line of the server's standard error, once it has ended; for Python the exception. */
  lastLine(): Promise<string>;
}

export type State =
  | { readonly kind: 'starting' }
  | { readonly kind: 'running'; readonly launch: Launch }
  | { readonly kind: 'failed'; readonly problem: Problem };

/** What the server's life needs of its surroundings. */
export interface Owner<Live extends Connection> {
  find(): Promise<Found>;
  /** A connection that calls `ended` with what to say once its server has stopped for good by itself. */
  connect(launch: Launch, ended: (problem: Problem) => void): Live;
  log(line: string): void;
  /** Told of every change. */
  became(state: State): void;
  /** Told of each problem once, until a server has run or somebody asks for a restart. */
  tell(problem: Problem): void;
}

export class Server<Live extends Connection> {
  private running: { launch: Launch; connection: Live } | undefined;
  private told = '';

  constructor(private readonly owner: Owner<Live>) {}

  /** The connection to a server that runs. */
  get connection(): Live | undefined {
    return this.running?.connection;
  }

  /** Starts the server that is to run now; one that is the same as before stays, unless it is `forced` to go. */
  async renew(forced = false): Promise<void> {
    if (forced) {
      this.told = '';
    }
    if (!this.running || forced) {
      this.owner.became({ kind: 'starting' });
    }
    const found = await this.owner.find();
    for (const line of found.tried) {
      this.owner.log(line);
    }
    const { launch, problem } = found;
    if (launch && this.running && !forced && isSame(launch, this.running.launch)) {
      return;
    }
    await this.stop();
    if (launch) {
      await this.start(launch);
    } else if (problem) {
      this.fail(problem);
    }
  }

  async stop(): Promise<void> {
    const { running } = this;
    this.running = undefined;
    try {
      await running?.connection.stop();
    } catch (error) {
      this.owner.log(`The server did not stop in order: ${String(error)}`);
    }
  }

  private async start(launch: Launch): Promise<void> {
    this.owner.became({ kind: 'starting' });
    this.owner.log(`Starts ${[launch.command, ...launch.args].join(' ')}`);
    const connection = this.owner.connect(launch, (problem) => {
      if (this.running?.connection === connection) {
        this.running = undefined;
        this.fail(problem);
      }
    });
    try {
      await connection.start();
    } catch (error) {
      this.owner.log(String(error));
      const line = await connection.lastLine();
      this.fail({ message: `The BiasLens server did not start with ${launch.command}. ${line || 'Its log says why.'}` });
      return;
    }
    this.running = { launch, connection };
    this.told = '';
    this.owner.became({ kind: 'running', launch });
  }

  private fail(problem: Problem): void {
    this.owner.became({ kind: 'failed', problem });
    this.owner.log(problem.message);
    if (problem.message !== this.told) {
      this.told = problem.message;
      this.owner.tell(problem);
    }
  }
}

function isSame(launch: Launch, other: Launch): boolean {
  return launch.command === other.command && launch.args.join('\0') === other.args.join('\0');
}
