// The interpreter that is chosen in the Python extension, if that extension is there. It is not needed.

import * as vscode from 'vscode';

const EXTENSION = 'ms-python.python';

/** The part of the Python extension's interface that we use. */
interface PythonExtension {
  readonly environments: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { readonly path: string };
    resolveEnvironment(environment: { readonly path: string }): Promise<Environment | undefined>;
    readonly onDidChangeActiveEnvironmentPath: vscode.Event<unknown>;
  };
}

interface Environment {
  readonly executable: { readonly uri?: vscode.Uri };
}

/** The chosen interpreter's file; undefined where there is no such extension, or the workspace is not trusted. */
export async function chosenInterpreter(): Promise<string | undefined> {
  // It may be the workspace's own: starting it would run what lies in the workspace.
  if (!vscode.workspace.isTrusted) {
    return undefined;
  }
  const extension = await pythonExtension();
  if (extension === undefined) {
    return undefined;
  }
  try {
    const { environments } = extension;
    const active = environments.getActiveEnvironmentPath(vscode.workspace.workspaceFolders?.[0]?.uri);
    return (await environments.resolveEnvironment(active))?.executable.uri?.fsPath;
  } catch {
    return undefined;
  }
}

/** Calls `changed` whenever another interpreter is chosen there. */
export async function watchInterpreter(changed: () => void): Promise<vscode.Disposable | undefined> {
  return (await pythonExtension())?.environments.onDidChangeActiveEnvironmentPath(changed);
}

async function pythonExtension(): Promise<PythonExtension | undefined> {
  const extension = vscode.extensions.getExtension<Partial<PythonExtension> | undefined>(EXTENSION);
  try {
    const exported = await extension?.activate();
    return exported?.environments === undefined ? undefined : (exported as PythonExtension);
  } catch {
    return undefined;
  }
}
