/** Every number of the protocol, with its unit and its reason. Each can be set by its owner, none by a peer. */

const KiB = 1024;
const MiB = 1024 * KiB;

/** Bytes of a frame before its header: two unsigned 32-bit lengths. */
export const PREFIX_BYTES = 8;

/** Largest header, in bytes. A 16 MiB JSON header would block the event loop for seconds. */
export const MAX_HEADER_BYTES = 64 * KiB;

/** Largest content of one frame, in bytes. A chunk is at most 1 MiB; the rest is headroom. */
export const MAX_CONTENT_BYTES = 16 * MiB;

/** Most keys in a header. */
export const MAX_HEADER_KEYS = 128;

/** Largest chunk of a stream, in bytes: a short message waits behind one chunk at most. */
export const MAX_CHUNK_BYTES = 1 * MiB;

/** A sender is at most so far ahead of what its receiver has taken: more would travel twice after a cut. */
export const MAX_AHEAD_BYTES = 8 * MiB;

/** Blocks that a recipient awaits of others, at most: those of the smallest files that are passed on, in that distance. */
export const MAX_AWAITED_BLOCKS = 8_192;

/** A block travels from one recipient to the next in pieces, so that a slow link is told from one that stands still. */
export const MAX_BLOCK_PIECE_BYTES = 64 * KiB;

/** Holders that are named to one recipient in one transfer, and recipients that one may pass on to. */
export const MAX_HOLDERS = 64;

/** Recipients of all transfers together that one machine may be named to pass on to at a time. */
export const MAX_PASSED_ON = 1_024;

/** A job to several is passed on from one to the next from so many bytes on: below, naming neighbours takes longer. */
export const PASS_ON_FROM_BYTES = 64 * MiB;

/**
 * Connections that one transfer may use beside its first one, where several carry more: what loses one packet in a hundred needs
 * about so many to fill a slow link.
 */
export const MAX_PARALLEL = 16;

/** The same over a relay: one of the places that a machine has there (`MAX_RELAYED_PER_PEER`) stays for texts. */
export const MAX_PARALLEL_RELAYED = 2;

/** The same through the routers of both machines, which the server brings together for each: half of `MAX_REACHED_PER_PEER`. */
export const MAX_PARALLEL_PUNCHED = 4;

/** Such connections of all transfers with one other machine, beside the other ones that it may have (`MAX_CONNECTIONS_PER_PEER`). */
export const MAX_PARALLEL_PER_PEER = 48;

/** Connections that one transfer opens, or tries to, beside its first one in all: those that were lost are replaced, but not without end. */
export const MAX_PARALLEL_OPENED = 128;

/** Messages that travel together on any of the connections of a transfer, in bytes: a chunk of 256 KiB, or many small files. */
export const MAX_SEGMENT_BYTES = 512 * KiB;

/** What a file counts beside its content in that distance: many empty ones are something, too. */
export const STREAM_OVERHEAD_BYTES = 1 * KiB;

/** What a receiver takes, at most, before it says so. */
export const GOT_EVERY_BYTES = 1 * MiB;

/** Content of one received file is digested in blocks of this size, whatever the message size. */
export const DIGEST_BLOCK_BYTES = 1 * MiB;

/** Accept to authenticated, absolute: a connection without a valid `hello` by then is destroyed. */
export const AUTHENTICATION_MS = 10_000;

/**
 * A joiner holds others of its address block up for so long at most, in ms: two questions over a satellite take less. Those
 * wait so long for their turn: what is left of `AUTHENTICATION_MS` is for the enrolment itself.
 */
export const JOIN_TURN_MS = 2_000;
export const JOIN_WAIT_MS = 8_000;

/** Largest content of a message that is read from an unauthenticated peer, in bytes; its header has the limit of all headers. */
export const MAX_HELLO_BYTES = 64 * KiB;

/** Connections that have not authenticated yet, in all. */
export const MAX_UNAUTHENTICATED = 256;

/**
 * The same from one IPv4 address or IPv6 /64; the next one takes the place of one of them. Loopback is exempt (a test
 * host, a proxy).
 */
export const MAX_UNAUTHENTICATED_PER_ADDRESS = 32;

/** The part of them that is kept for addresses from which a member came recently: a flood of unauthenticated peers leaves it free. */
export const KNOWN_ADDRESS_SHARE = 0.25;

/**
 * The part of them that one such address may have: behind it may be a site of 500 machines, which all come back at once after
 * the server was restarted.
 */
export const KNOWN_BLOCK_SHARE = 0.5;

/** Addresses that are remembered for that: more than there are machines in a large network. */
export const MAX_KNOWN_ADDRESSES = 10_000;

/**
 * Connections that a server holds: 20,000 machines, and their commands and transfers. Of its descriptors this part stays free for
 * files, and never more than so many.
 */
export const MAX_CONNECTIONS = 24_000;
export const FREE_DESCRIPTOR_SHARE = 0.2;
export const MAX_FREE_DESCRIPTORS = 1_000;

/** Connections of one member at a server: its daemon, and commands that run at once. */
export const MAX_CONNECTIONS_PER_MEMBER = 32;

/** Connections of one member at another: those, and transfers that run or wait for their turn. */
export const MAX_CONNECTIONS_PER_PEER = 100;

/**
 * So long a member with too many connections waits for its refusal, in ms: each new try costs a TLS handshake. One that is refused
 * more often than once a second waits longer, up to the second number, which its time to authenticate allows.
 */
export const REFUSAL_DELAY_MS = 1_000;
export const MAX_REFUSAL_DELAY_MS = 4_000;

/** So long it then has to read its refusal, in ms, before its connection is destroyed. */
export const REFUSAL_LINGER_MS = 500;

/** The part of all connections that one machine may have where descriptors are few: three others find room. */
export const MAX_SHARE_OF_CONNECTIONS = 0.25;

/** Spools of one member that a server remembers, forever: a home opens another one only when it was restored. */
export const MAX_SPOOLS_PER_MEMBER = 1_000;

/** Silence before a ping, and before a connection is given up. TCP keepalive does not free a sender. */
export const PING_AFTER_MS = 15_000;
export const GIVE_UP_AFTER_MS = 45_000;

/** What may wait for one slow client, behind the message being written: broadcasts, and in all. */
export const MAX_QUEUED_BROADCAST_BYTES = 1 * MiB;
export const MAX_QUEUED_BYTES = 8 * MiB;

/** Received messages that may wait for a reader before the socket is paused, in bytes. */
export const MAX_UNREAD_BYTES = 4 * MiB;

/** Largest content of a message in a session, in bytes: a page of removals. Files have connections of their own. */
export const MAX_SESSION_CONTENT_BYTES = 512 * KiB;

/**
 * What TLS may add to what is read on a connection: in bytes, for a handshake with large certificates; and for each byte that comes
 * meanwhile, where a record of its own has 22 beside it. Messages are longer than what a record adds.
 */
export const TLS_OVERHEAD_BYTES = 64 * KiB;
export const TLS_OVERHEAD_FACTOR = 24;
export const TLS_MESSAGE_OVERHEAD_FACTOR = 2;

/**
 * Connections that are not admitted are read one at a time while there are several: one can have this program work about 30 ms for
 * the 64 KiB that the kernel holds of it, if that is all changes of keys. After a turn for each comes a pause, in ms for each: about
 * a tenth of a processor is used to look at those that say nothing.
 */
export const READ_PAUSE_MS = 0.15;

/**
 * Connections of one machine that are read whenever something comes, as many as its transfers at once. The others have turns: each
 * can have this program work for about 0.1 s, once, before it is ended for its changes of keys.
 */
export const MAX_READ_FREELY = 4;

/** So long a machine cannot connect, for each connection of it that was ended for changes of TLS keys. */
export const KEY_CHANGE_PAUSE_SECONDS = 600;

/** How often what came is compared with what could be read, in ms. */
export const WIRE_CHECK_MS = 250;

/** All that is read on one connection before it is admitted, in bytes: to join takes two documents of `MAX_ENROL_BYTES`. */
export const MAX_UNAUTHENTICATED_BYTES = 256 * KiB;

/** Received messages of one session that may wait, in bytes: two pages of a directory and what comes between. */
export const MAX_SESSION_UNREAD_BYTES = 1 * MiB;

/** The same for one who has not been admitted: the largest `hello` or `enrol`, and the next message behind it. */
export const MAX_UNAUTHENTICATED_UNREAD_BYTES = 128 * KiB;

/**
 * Received messages that wait, of all connections of one machine: its transfers (`MAX_TRANSFERS_PER_PEER` times
 * `MAX_UNREAD_BYTES`), and half of that for its sessions. In all: several machines at their bound at once.
 */
export const MAX_UNREAD_BYTES_PER_MACHINE = 24 * MiB;
export const MAX_UNREAD_BYTES_IN_ALL = 96 * MiB;

/** What may wait on each connection of a machine that is at that bound: one read of the operating system. */
export const MIN_UNREAD_BYTES = 64 * KiB;

/**
 * Memory for messages of which a part has come, of all connections of one machine: a batch of `MAX_BATCH_BYTES` on each of
 * `MAX_TRANSFERS_PER_PEER` connections. In all: `MAX_TRANSFERS` connections with a chunk each.
 */
export const MAX_PARTIAL_BYTES_PER_MACHINE = 16 * MiB;
export const MAX_PARTIAL_BYTES = 64 * MiB;

/** A request that no one answers. */
export const REQUEST_TIMEOUT_MS = 30_000;

/** A connection attempt to one address. */
export const CONNECT_TIMEOUT_MS = 10_000;

/** Between attempts on the addresses of one peer (RFC 8305, section 5: "Connection Attempt Delay"). */
export const CONNECT_STAGGER_MS = 250;

/**
 * Before a way over a third machine is begun beside the direct ones, unless those have failed: a machine that can be reached
 * directly answers within this over any link but a satellite's.
 */
export const DETOUR_DELAY_MS = 500;

/** A token that joins two connections at a relay, or two that are to meet: for one use, within this time. */
export const RELAY_TOKEN_MS = 60_000;

/** When one of two has come, the other one has so long: it was told at the same time. */
export const RELAY_MEET_MS = 10_000;

/** Relayed pairs of connections: of the machine that asked for them, and in all. */
export const MAX_RELAYED_PER_PEER = 4;
export const MAX_RELAYED = 128;

/** Silence in both directions after which a relayed pair is ended; an idle connection pings more often. */
export const RELAY_IDLE_MS = 120_000;

/**
 * Bytes that are relayed for one machine: at once two seconds of a fast link, after that, in a second, about half of such a
 * link; and in a day.
 */
export const RELAY_BYTES_AT_ONCE = 128 * MiB;
export const RELAY_BYTES_PER_SECOND = 64 * MiB;
export const RELAY_BYTES_PER_DAY = 256 * 1024 * MiB;

/** The frame that opens a relayed connection, in bytes: its header is a type and a token. */
export const MAX_RELAY_FRAME_BYTES = 256;

/**
 * Times that one machine may ask its server for a way to another one: at once for all recipients of a job, after that one
 * each second. And what its asking may make another one do at the same time.
 */
export const CONTACT_AT_ONCE = 128;
export const CONTACT_PER_SECOND = 1;
export const MAX_REACHED_PER_PEER = 8;
export const MAX_REACHED = 64;

/*
 * Largest JSON documents, in bytes, beside `MAX_HELLO_BYTES` and `MAX_REPORT_BYTES`: reading 16 MiB of hostile JSON
 * blocks the event loop for seconds, so each family takes what its largest honest document needs.
 */

/** An invite's or a membership's grant twice, with 32 groups, and the signatures. */
export const MAX_ENROL_BYTES = 16 * KiB;

/** A machine's own addresses. */
export const MAX_RECORD_BYTES = 8 * KiB;

/** One membership or record in a directory page, and those that are kept on disk. */
export const MAX_DOCUMENT_BYTES = 64 * KiB;

/** Removals in one message: a page, so that no message grows with the network's age. */
export const MAX_REMOVALS_PER_MESSAGE = 500;

/** A membership, and that it ends; and a message of them: each has the size of two grants at most. */
export const MAX_LEAVE_BYTES = 16 * KiB;
export const MAX_LEAVES_PER_MESSAGE = 30;
export const MAX_LEAVES_BYTES = MAX_LEAVES_PER_MESSAGE * MAX_LEAVE_BYTES;

/** Pages of removals in one handshake: 500,000 removals. */
export const MAX_REMOVAL_PAGES = 1_000;

/**
 * Lists of removals and leaves that one machine is given, in bytes: at once those of a large network and what a backup that was
 * restored lacks; after that, in a second, a page of them every few. One that needs more waits.
 */
export const LIST_BYTES_AT_ONCE = 16 * MiB;
export const LIST_BYTES_PER_SECOND = 64 * KiB;

/** A page of removals: 500 of about 350 bytes. */
export const MAX_REMOVALS_BYTES = 512 * KiB;

/** An offer: 100 names of 255 characters and a note, each character escaped. */
export const MAX_OFFER_BYTES = 512 * KiB;

/** Batches of entries, of answers to them, and of receipts; the maker bounds the names in it. */
export const MAX_BATCH_BYTES = 4 * MiB;

/** The frames of a connection that carries a transfer: so much a hostile peer can make each of them hold. */
export const TRANSFER_LIMITS = { maxContentBytes: MAX_BATCH_BYTES } as const;

/**
 * Names in one batch, in UTF-16 units: with six bytes for each, which escaped control characters take, and what else
 * is said of 1,000 files, a batch stays far below its limit.
 */
export const MAX_BATCH_NAME_CHARS = 128 * KiB;

/** A path, in UTF-16 units: four times PATH_MAX of Linux. Whether the receiving system takes it is judged for each file. */
export const MAX_PATH_CHARS = 16_384;

/** Times of files, in ns before or after the epoch: 2^63 s, the range of a signed 64-bit count of seconds (Linux, btrfs, tmpfs). */
export const MAX_FILE_TIME_NS = 2n ** 63n * 1_000_000_000n;

/** What 19 digits hold, from 1653 to 2286: the range of `mtimeNs` where a receiver knows no `mtimeFullNs`. */
export const NEAR_FILE_TIME_NS = 10n ** 19n - 1n;

/** One page of a listing, in bytes: a folder of any size is told page by page. */
export const MAX_LISTING_BYTES = 256 * KiB;

/** What a message of an answer counts beside its content, in bytes: many empty ones are something, too. */
export const ANSWER_MESSAGE_BYTES = 256;

/**
 * A listing, as one command takes it: half a million names of 128 bytes. The command sorts them in memory and prints them at
 * once. In time: a disk that needs half a millisecond for each.
 */
export const LISTING_BOUNDS = { rows: 500_000, bytes: 64 * MiB, ms: 300_000 } as const;

/**
 * What a receiver answers to one question about files that it has signed for: an answer for each file, and a word every
 * `WORKING_EVERY_MS` while it reads them, from a disk that reads `HOLDING_BYTES_PER_SECOND`.
 */
export const HOLDING_BOUNDS = { rows: 1_000, bytes: 16 * MiB, ms: 60_000, silentMs: 60_000 } as const;
export const HOLDING_BYTES_PER_SECOND = 1 * MiB;

/** The directory of a server: ten times the machines that a network is planned for, with a record of each. */
export const DIRECTORY_BOUNDS = { rows: 200_000, bytes: 512 * MiB, ms: 300_000 } as const;

/** One question about files that a receiver has signed for, in bytes. */
export const MAX_HOLDING_BYTES = 256 * KiB;

/** What is asked for: a path, each character escaped. */
export const MAX_ASKED_BYTES = 128 * KiB;

/** A report's values, title and output together, in bytes. */
export const MAX_REPORT_BYTES = 64 * KiB;

/** The title of a report, in UTF-16 units: a line that people read in lists and alarms. */
export const MAX_TITLE_CHARS = 1_024;

/** The note of an offer, in UTF-16 units. A longer text is a file of its own. */
export const MAX_NOTE_CHARS = 4_096;

/** Files that belong to one report, and the largest of them, in bytes; they are streamed. */
export const MAX_ATTACHMENTS = 100;
export const MAX_ATTACHMENT_BYTES = 64 * MiB;

/**
 * Reports of one machine, in bytes: `REPORT_OVERHEAD_BYTES` and the content of each. At once: a quarter of a full spool, so that
 * a machine that was away for days is heard at once. After that, in a second: 1,000 small reports, or 16 of the largest.
 */
export const REPORT_BYTES_AT_ONCE = 64 * MiB;
export const REPORT_BYTES_PER_SECOND = 1 * MiB;

/** What a report costs beside its content: a frame, a transaction's part, its row and the entries of its indexes. */
export const REPORT_OVERHEAD_BYTES = 1 * KiB;

/**
 * Reports that wait for the server's disk, in bytes with `REPORT_OVERHEAD_BYTES` each. Of one machine: twice what a client has
 * on its way at once. In all: a second of a slow disk.
 */
export const MAX_WAITING_REPORT_BYTES_PER_MACHINE = 8 * MiB;
export const MAX_WAITING_REPORT_BYTES = 64 * MiB;

/** Inodes that stay free on a disk: what a system needs for its own logs and temporary files. */
export const KEEP_FREE_FILES = 1_000;

/**
 * Attachments of one machine, in bytes: `UPLOAD_BYTES` for each connection that brings some, and their content. At once: one report
 * with as much as it can have, or thousands of small ones. After that, in a second: about what a disk writes for it alone.
 */
export const ATTACHED_BYTES_AT_ONCE = 8 * 1024 * MiB;
export const ATTACHED_BYTES_PER_SECOND = 16 * MiB;

/** What a connection for attachments costs beside them: a handshake, folders that are synced, rows. */
export const UPLOAD_BYTES = 1 * MiB;

/** Attachments of this size use up bytes and inodes of a disk at the same rate: ext4 has one inode for each 16 KiB (mke2fs.conf). */
export const BYTES_PER_INODE = 16 * KiB;

/** Schedules of one machine, and the list of them: each has a name of 32 characters and three numbers. */
export const MAX_SCHEDULES = 100;
export const MAX_SCHEDULES_BYTES = 32 * KiB;

/** Running transfers that a machine tells its server: further ones of a very busy machine are left out. */
export const MAX_TOLD_TRANSFERS = 64;
export const MAX_TOLD_TRANSFERS_BYTES = 32 * KiB;

/** What one run of a collect asks for. */
export const MAX_COLLECT_PATHS = 32;
export const MAX_COLLECT_PATHS_BYTES = 256 * KiB;

/** One text message, in bytes. */
export const MAX_TEXT_BYTES = 16 * KiB;

/** The signed document that carries it: JSON writes a control character in six bytes. */
export const MAX_TEXT_DOCUMENT_BYTES = 6 * MAX_TEXT_BYTES + 2 * KiB;

/** What a text counts beside its own bytes: its row, with ids, times and index entries, takes about so much. */
export const TEXT_ROW_BYTES = 512;

/**
 * Texts of one sender that a machine takes, in bytes: at once 16 of the largest or about 500 short ones, and as much again in
 * each minute. The daemon shows each of them, so this bounds its output, too.
 */
export const TEXT_BYTES_AT_ONCE = 256 * KiB;
export const TEXT_BYTES_PER_SECOND = TEXT_BYTES_AT_ONCE / 60;

/** The part of the room for texts that those of one sender may take: beyond, its own oldest give way. */
export const MAX_SHARE_OF_TEXTS = 0.25;

/**
 * How long a server tries to open a connection to a machine that asks whether it can be reached, in ms: two lost packets and a
 * handshake. A failure is told after all of it, so that its time does not say why.
 */
export const DIAL_BACK_MS = 4_000;

/** One machine is dialled back once a minute; in all so many at a time, each a socket and a handshake. */
export const DIAL_BACKS_AT_ONCE = 1;
export const DIAL_BACKS_PER_SECOND = 1 / 60;
export const MAX_DIAL_BACKS = 32;

/**
 * A measurement of throughput, in each direction, in ms and bytes: a TCP connection is at its speed within a second, and a link
 * of 1 Gbit/s is filled.
 */
export const MEASURE_MS = 2_000;
export const MEASURE_BYTES = 256 * MiB;

/** One piece of it: large enough to cost little, and little enough that a slow link brings several. */
export const MAX_MEASURE_PIECE_BYTES = 128 * KiB;

/**
 * Measurements that one machine may cause at another: at once, and after that one a minute. And those of all machines
 * together, so that the link is free for three quarters of the time.
 */
export const MEASURES_AT_ONCE = 2;
export const MEASURES_PER_SECOND = 1 / 60;
export const MEASURES_IN_ALL_AT_ONCE = 4;
export const MEASURES_IN_ALL_PER_SECOND = 1 / 15;

/** Broadcasts from one peer in a minute. */
export const MAX_BROADCASTS_PER_MINUTE = 10;

/** Heartbeat: default, and what a client accepts from a server. Anything faster is coalesced. */
export const HEARTBEAT_MS = 10_000;
export const MIN_HEARTBEAT_MS = 500;
export const MAX_HEARTBEAT_MS = 3_600_000;

/** No sign for this many heartbeat intervals: offline. */
export const OFFLINE_AFTER_INTERVALS = 3;

/**
 * Machines that a client remembers: twice of what a large network has. More are signed by a server that makes them up, with the
 * network key or an invite, and would take 1 to 5 KiB each of every client's disk.
 */
export const MAX_KNOWN_PEERS = 20_000;

/** Largest page of a directory snapshot or delta, in bytes. */
export const MAX_DIRECTORY_PAGE_BYTES = 256 * KiB;

/** Reconnecting: first wait, longest wait (doubled in between), and the jitter factor's range. */
export const RECONNECT_FIRST_MS = 1_000;
export const RECONNECT_LONGEST_MS = 60_000;
export const RECONNECT_JITTER = [0.5, 1.5] as const;

/** Transfers at once, from one peer and in all. */
export const MAX_TRANSFERS_PER_PEER = 4;
export const MAX_TRANSFERS = 64;

/**
 * Staged jobs of one sender that are kept at a receiver: each is a folder that its owner sees only when he looks for it. And
 * the entries of one and of all of them: each is a row, and a release writes those of one in a single transaction, for which
 * all else at the receiver waits: about a second.
 */
export const MAX_STAGES_PER_PEER = 16;
export const MAX_STAGED_ENTRIES = 250_000;
export const MAX_STAGED_ENTRIES_PER_PEER = 4_000_000;

/**
 * Characters of the names of one staged job at the top, together. They are switched one after the other, and those of all jobs
 * that were released are read whenever one of them is: 100 of one sender are 25 MiB then.
 */
export const MAX_STAGED_TOP_CHARS = 256 * KiB;

/** Questions about staged jobs of one peer that wait for their answer: each is little, but a release may take minutes. */
export const MAX_STAGE_ACTS_PER_PEER = 64;

/** For how many releases back what was there before may be kept (`release --keep`). */
export const MAX_RELEASES_KEPT = 100;

/** Of what a hook said last, as its sender is told: a line on a screen. */
export const MAX_HOOK_LINE_CHARS = 500;

/** Entries in one batch of an offer; files in one batch of receipts. */
export const MAX_ENTRIES_PER_BATCH = 1_000;
export const MAX_RECEIPTS_PER_BATCH = 1_024;

/**
 * Files, folders and links that one transfer tells of, taken or not, and the characters of their paths: ten times of what is
 * tested with. A sender needs nothing to tell of more, and each is answered, shown and perhaps made.
 */
export const MAX_TRANSFER_ENTRIES = 10_000_000;
export const MAX_TRANSFER_NAME_CHARS = 2_048 * MiB;

/** A transfer in which nothing grows for this long is cut. */
export const TRANSFER_STALL_MS = 60_000;

/** Work without progress on the wire is announced this often. */
export const WORKING_EVERY_MS = 10_000;

/** A signed directory record is valid this long, and renewed at half of it. */
export const RECORD_VALID_MS = 30 * 24 * 3_600_000;

/** Most addresses of one scheme in a record, and in an invite. */
export const MAX_ADDRESSES = 8;

/** Servers of one network: their list fits into a welcome with room to spare. */
export const MAX_SERVERS = 16;
export const MAX_SERVER_LIST_BYTES = 60 * KiB;

/** Most addresses of all schemes in a record: those of schemes to come take nothing from those that are known. */
export const MAX_ADDRESSES_IN_ALL = 16;

/** The longest address, in characters: a DNS name of 253, its port, and room for what other schemes need. */
export const MAX_ADDRESS_LENGTH = 300;

/** Two daemons with one identity that alternate within this time are a cloned disk image. */
export const CLONE_WINDOW_MS = 60_000;

/** A signed text is taken within this distance of the receiver's clock: the window against replay. */
export const TEXT_VALID_MS = 24 * 3_600_000;

/** Most groups of one peer or invite. */
export const MAX_GROUPS = 32;

/** Longest invite link, in characters: 8 long host names and 32 long groups fit. */
export const MAX_INVITE_LENGTH = 8_192;
