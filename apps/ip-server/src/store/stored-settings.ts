import { fieldsOf, integerOf, listOf, parseServerRecord, textOf, type ServerRecord } from '@filer/protocol';
import { parseTrust, storedJson, type SavedTrust } from '@filer/program';
import type { FilesFolder, Founding, ListenedAt, Run } from './registry.ts';

/** Texts under their names, as an engine keeps them. */
export interface NamedTexts {
  get(name: string): Promise<string | undefined>;
  set(name: string, text: string): Promise<void>;
}

/** What a registry keeps under names: what the network is, and what each server keeps of itself. */
export class StoredSettings {
  readonly #texts: NamedTexts;

  constructor(texts: NamedTexts) {
    this.#texts = texts;
  }

  founding(): Promise<Founding | undefined> {
    return this.#read('founding', parseFounding);
  }

  found(founding: Founding): Promise<void> {
    return this.#texts.set('founding', JSON.stringify(founding));
  }

  async trustedTime(server: string): Promise<SavedTrust | undefined> {
    return parseTrust(await this.#texts.get(`trusted_time ${server}`));
  }

  saveTrustedTime(server: string, trust: SavedTrust): Promise<void> {
    return this.#texts.set(`trusted_time ${server}`, JSON.stringify(trust));
  }

  listenedAt(server: string): Promise<ListenedAt | undefined> {
    return this.#read(`listened_at ${server}`, parseListenedAt);
  }

  saveListenedAt(server: string, listened: ListenedAt): Promise<void> {
    return this.#texts.set(`listened_at ${server}`, JSON.stringify(listened));
  }

  filesFolder(): Promise<FilesFolder | undefined> {
    return this.#read('files_folder', parseFilesFolder);
  }

  saveFilesFolder(folder: FilesFolder | undefined): Promise<void> {
    return this.#texts.set('files_folder', JSON.stringify(folder ?? null));
  }

  async serverRecord(server: string): Promise<ServerRecord | undefined> {
    const own = await this.#read(`server_record ${server}`, parseServerRecord);
    // Before there could be several, the only server kept its record without its id.
    return own ?? (await this.#read('server_record', parseServerRecord));
  }

  saveServerRecord(record: ServerRecord): Promise<void> {
    return this.#texts.set(`server_record ${record.server}`, JSON.stringify(record));
  }

  async #read<T>(name: string, parse: (value: unknown) => T): Promise<T | undefined> {
    const json = await this.#texts.get(name);
    return json === undefined ? undefined : storedJson(json, name, parse);
  }
}

function parseFounding(value: unknown): Founding {
  const fields = fieldsOf(value, 'founding');
  return {
    network: textOf(fields['network'], 'network'),
    networkKey: textOf(fields['networkKey'], 'networkKey'),
    server: textOf(fields['server'], 'server'),
  };
}

function parseListenedAt(value: unknown): ListenedAt {
  const fields = fieldsOf(value, 'listenedAt');
  return {
    host: textOf(fields['host'], 'host'),
    port: integerOf(fields['port'], 'port', 0, 65_535),
    advertise: listOf(fields['advertise'], 'advertise', 64, textOf),
  };
}

function parseFilesFolder(value: unknown): FilesFolder | undefined {
  if (value === null) return undefined;
  const fields = fieldsOf(value, 'filesFolder');
  return { folder: textOf(fields['folder'], 'folder'), id: textOf(fields['id'], 'id') };
}

/** @throws FilerError `message-malformed` */
export function parseRuns(value: unknown): Run[] {
  return listOf(value, 'runs', 1_000, (each, what) => {
    const fields = fieldsOf(each, what);
    return { from: integerOf(fields['from'], 'from'), to: integerOf(fields['to'], 'to') };
  });
}
