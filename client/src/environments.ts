// The interpreter that is chosen in one of Microsoft's two Python extensions, where there is one. None is needed.

import * as vscode from 'vscode';

/** The part of the interface of "Python Environments" that we use. */
interface PythonEnvironments {
  getEnvironment(folder: vscode.Uri | undefined): Promise<Environment | undefined>;
  readonly onDidChangeEnvironment: vscode.Event<unknown>;
}

interface Environment {
  readonly execInfo?: { readonly run: { readonly executable: string } };
}

/** The part of the interface of "Python" that we use. */
interface Python {
  readonly environments: {
    getActiveEnvironmentPath(folder?: vscode.Uri): { readonly path: string };
    resolveEnvironment(environment: { readonly path: string }): Promise<ResolvedEnvironment | undefined>;
    readonly onDidChangeActiveEnvironmentPath: vscode.Event<unknown>;
  };
}

interface ResolvedEnvironment {
  readonly executable: { readonly uri?: vscode.Uri };
}

/** What both come down to. */
interface Chooser {
  chosen(folder: vscode.Uri | undefined): Promise<string | undefined>;
  readonly onDidChange: vscode.Event<unknown>;
}

/** The chosen interpreter's file; undefined where there is no such extension, or the workspace is not trusted. */
export async function chosenInterpreter(): Promise<string | undefined> {
  // It may be the workspace's own: starting it would run what lies in the workspace.
  if (!vscode.workspace.isTrusted) {
    return undefined;
  }
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  for (const chooser of await choosers()) {
    try {
      const python = await chooser.chosen(folder);
      if (python !== undefined) {
        return python;
      }
    } catch {
      // The next one may know better.
    }
  }
  return undefined;
}

/** Calls `changed` whenever another interpreter is chosen there. */
export async function watchInterpreter(changed: () => void): Promise<vscode.Disposable> {
  return vscode.Disposable.from(...(await choosers()).map((chooser) => chooser.onDidChange(changed)));
}

/** The newer extension first: where both are installed, the older one asks it. */
async function choosers(): Promise<readonly Chooser[]> {
  const newer = await exported<PythonEnvironments>('ms-python.vscode-python-envs', 'getEnvironment');
  const older = await exported<Python>('ms-python.python', 'environments');
  return [...(newer ? [chooserOfNewer(newer)] : []), ...(older ? [chooserOfOlder(older)] : [])];
}

function chooserOfNewer(api: PythonEnvironments): Chooser {
  return {
    chosen: async (folder) => (await api.getEnvironment(folder))?.execInfo?.run.executable,
    onDidChange: api.onDidChangeEnvironment,
  };
}

function chooserOfOlder({ environments }: Python): Chooser {
  return {
    chosen: async (folder) => {
      const active = environments.getActiveEnvironmentPath(folder);
      return (await environments.resolveEnvironment(active))?.executable.uri?.fsPath;
    },
    onDidChange: environments.onDidChangeActiveEnvironmentPath,
  };
}

/** What an extension gives to others; undefined where it is not there, fails, or is of a version without that `part`. */
async function exported<Api extends object>(id: string, part: string & keyof Api): Promise<Api | undefined> {
  try {
    const given: unknown = await vscode.extensions.getExtension(id)?.activate();
    return typeof given === 'object' && given !== null && part in given ? (given as Api) : undefined;
  } catch {
    return undefined;
  }
}
