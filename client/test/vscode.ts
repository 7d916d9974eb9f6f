// What the tests have in place of the editor. A test changes `editor`.

interface Folder {
  readonly name: string;
  readonly uri: { readonly fsPath: string };
}

export const editor = {
  trusted: true,
  folders: undefined as Folder[] | undefined,
  settings: {} as Record<string, unknown>,
  extensions: {} as Record<string, unknown>,
  diagnostics: [] as { source: string }[],
  active: undefined as unknown,
  items: [] as Record<string, unknown>[],
};

export const workspace = {
  get isTrusted() {
    return editor.trusted;
  },
  get workspaceFolders() {
    return editor.folders;
  },
  getConfiguration: (section: string) => ({ get: (name: string) => editor.settings[`${section}.${name}`] }),
};

export const extensions = {
  getExtension: (id: string) => editor.extensions[id],
};

const nothing = { dispose: () => undefined };

export const Disposable = {
  from: (...all: { dispose(): unknown }[]) => ({ dispose: () => all.map((one) => one.dispose()) }),
};

export const languages = {
  createLanguageStatusItem: () => {
    const item = { ...nothing };
    editor.items.push(item);
    return item;
  },
  onDidChangeDiagnostics: () => nothing,
  getDiagnostics: () => editor.diagnostics,
};

export const window = {
  get activeTextEditor() {
    return editor.active;
  },
  onDidChangeActiveTextEditor: () => nothing,
};

export const LanguageStatusSeverity = { Information: 0, Warning: 1, Error: 2 };
