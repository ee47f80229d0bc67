import { FilerError } from '@filer/protocol';
import type { Home } from '@filer/program';
import type { AttachmentStore, UploadKey } from '../store/attachment-store.ts';
import { SHARED } from '../store/server-store.ts';
import { AttachmentFolders } from './attachment-folders.ts';
import { filesProblem, type FilesPlace } from './files-place.ts';

/** Where the files of reports are read, whichever server took them. */
export class ReportFolders {
  readonly #store: Pick<AttachmentStore, 'find'>;
  readonly #place: FilesPlace;
  readonly #home: Home;
  readonly #server: string | undefined;

  /** @param server id of this one */
  constructor(
    store: Pick<AttachmentStore, 'find'>,
    place: FilesPlace,
    home: Home,
    server: string | undefined,
  ) {
    this.#store = store;
    this.#place = place;
    this.#home = home;
    this.#server = server;
  }

  /** @throws FilerError `path-missing` for files at another server, `home-not-writable` for a shared folder that is away */
  async of(key: UploadKey): Promise<string> {
    const { server = '' } = (await this.#store.find(key)) ?? {};
    const isShared = server === SHARED;
    if (!isShared && server !== '' && server !== this.#server) {
      throw new FilerError(
        'path-missing',
        `the files of this report are at the server ${server.slice(0, 12)}, which took them: ask there, or let all servers share a folder with "ip-server start --files DIR"`,
      );
    }
    const problem = isShared ? await filesProblem(this.#place) : undefined;
    if (problem !== undefined) throw problem;
    return new AttachmentFolders(isShared ? this.#place.attachments : this.#home.attachments).pathOf(key);
  }
}
