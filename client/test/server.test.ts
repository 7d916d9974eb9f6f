import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Coalesced } from '../src/coalesced';
import type { Found, Launch, Problem } from '../src/python';
import { type Connection, type Owner, Server, type State } from '../src/server';

/** Writes down what happens to the server. `starts`: whether the next ones do. */
class Events implements Owner<Connection> {
  found: Found;
  starts = true;
  readonly all: string[] = [];
  ended: (problem: Problem) => void = () => undefined;

  constructor(python: string) {
    this.found = launch(python);
  }
  find() {
    return Promise.resolve(this.found);
  }
  connect({ command }: Launch, ended: (problem: Problem) => void): Connection {
    this.ended = ended;
    return {
      start: () => {
        this.all.push(`start ${command}`);
        return this.starts ? Promise.resolve() : Promise.reject(new Error('no'));
      },
      stop: () => {
        this.all.push(`stop ${command}`);
        return Promise.resolve();
      },
      lastLine: () => Promise.resolve('out of luck'),
    };
  }
  log() {
    // What is logged is for people.
  }
  became(state: State) {
    if (state.kind !== 'starting') {
      this.all.push(state.kind);
    }
  }
  tell(problem: Problem) {
    this.all.push(`tell: ${problem.message}`);
  }
  take(): string[] {
    return this.all.splice(0);
  }
}

function launch(command: string): Found {
  return { launch: { command, args: ['server'] }, tried: [] };
}

test('a server is replaced when another one is chosen, and only then', async () => {
  const events = new Events('a');
  const server = new Server(events);
  await server.renew();
  assert.deepEqual(events.take(), ['start a', 'running']);
  await server.renew();
  assert.deepEqual(events.take(), []);
  events.found = launch('b');
  await server.renew();
  assert.deepEqual(events.take(), ['stop a', 'start b', 'running']);
  await server.renew(true);
  assert.deepEqual(events.take(), ['stop b', 'start b', 'running']);
});

test('a problem is told once, until a server has run or somebody asks', async () => {
  const events = new Events('a');
  const server = new Server(events);
  events.found = { problem: { message: 'no Python' }, tried: [] };
  await server.renew();
  assert.deepEqual(events.take(), ['failed', 'tell: no Python']);
  await server.renew();
  assert.deepEqual(events.take(), ['failed']);
  await server.renew(true);
  assert.deepEqual(events.take(), ['failed', 'tell: no Python']);
  const problem = events.found;
  events.found = launch('a');
  await server.renew();
  events.found = problem;
  await server.renew();
  assert.deepEqual(events.take(), ['start a', 'running', 'stop a', 'failed', 'tell: no Python']);
});

test('a server that does not start, and one that ends', async () => {
  const events = new Events('a');
  const server = new Server(events);
  events.starts = false;
  await server.renew();
  assert.deepEqual(events.take(), ['start a', 'failed', 'tell: The BiasLens server did not start with a. out of luck']);
  assert.equal(server.connection, undefined);
  events.starts = true;
  await server.renew();
  assert.deepEqual(events.take(), ['start a', 'running']);
  events.ended({ message: 'it crashed' });
  assert.deepEqual(events.take(), ['failed', 'tell: it crashed']);
  assert.equal(server.connection, undefined);
});

// --- many requests -----------------------------------------------------------------------------------------------

test('requests in a row are one, and those during the work are one more', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let go: () => void = () => undefined;
  const work = mock.fn(() => new Promise<void>((resolve) => (go = resolve)));
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
  const coalesced = new Coalesced(work, 500);
  for (let number = 0; number < 3; number++) {
    coalesced.request();
    context.mock.timers.tick(400);
  }
  await settled();
  assert.equal(work.mock.callCount(), 0);
  context.mock.timers.tick(100);
  await settled();
  assert.equal(work.mock.callCount(), 1);
  coalesced.request();
  context.mock.timers.tick(500);
  void coalesced.now();
  const last = coalesced.now();
  await settled();
  assert.equal(work.mock.callCount(), 1, 'never two at a time');
  go();
  await settled();
  assert.equal(work.mock.callCount(), 2);
  go();
  await last;
  assert.equal(work.mock.callCount(), 2);
});
