/// <reference types="node" />

/** Bytes: a Buffer, another view, or text. MessagePack or JSON, told apart by the first byte. */
export type Document = Buffer | ArrayBufferView | ArrayBuffer | string;

export interface JobOptions {
  /** Milliseconds; past them the job is rejected with JobTimeout. */
  timeout?: number;
  /** Takes the job back. */
  signal?: AbortSignal;
}

export interface OutputOptions extends JobOptions {
  pretty?: boolean;
  /** Compress a result of more than 1 KiB. */
  gzip?: boolean;
  zstd?: boolean;
}

export interface JqOptions extends OutputOptions {
  /** The values of $names in the program. */
  args?: Record<string, unknown>;
}

export class Jobs {
  /** Whether a daemon has welcomed us. */
  readonly connected: boolean;
  /** MessagePack (or a value, which is packed on the loop first) to JSON. */
  encode(document: Document | object | null | number | boolean, options?: OutputOptions & { fields?: string }): Promise<Buffer>;
  /** JSON to MessagePack. */
  decode(json: Document, options?: JobOptions): Promise<Buffer>;
  /** JSON to JSON without white space. */
  compact(json: Document, options?: OutputOptions): Promise<Buffer>;
  /** Rejects unless the document is valid. */
  validate(document: Document, options?: JobOptions): Promise<void>;
  /** Some members of a document ("a,b.c,items.0"), as JSON. */
  project(document: Document, fields: string, options?: OutputOptions): Promise<Buffer>;
  /** A document after a JSON merge patch, in the form that the document had. */
  patch(document: Document, patch: Document, options?: JobOptions): Promise<Buffer>;
  /** What a jq program makes of a document, as JSON; several results are lines. */
  jq(document: Document, program: string, options?: JqOptions): Promise<Buffer>;
  /** Ends: jobs without an answer are rejected with NoWorker. */
  close(): Promise<void>;
}

export interface ConnectOptions {
  /** For the daemon's log and metrics. */
  name?: string;
  /** Milliseconds, of jobs that have none of their own. */
  timeout?: number;
  /** While no daemon is there, jobs run on a thread of this process, slowly, and not jq (true).
      false: every job waits for the daemon, half of its timeout. */
  inline?: boolean;
}

/** path: the job socket ($OFFLOOP_JOBS, else /run/offloop/jobs.sock). */
export function connect(path?: string | ConnectOptions, options?: ConnectOptions): Promise<Jobs>;

export class OffloopError extends Error {}
/** The document or program was refused: status is a word, offset the byte that is wrong (null
    where it is no one byte). */
export class JobError extends OffloopError {
  readonly status: string;
  readonly offset: number | null;
}
export class Overloaded extends OffloopError {}
export class NoWorker extends OffloopError {}
export class JobLost extends OffloopError {}
export class JobTimeout extends OffloopError {}
export class ProtocolError extends OffloopError {}

export interface OffloadOptions extends JqOptions {
  jq?: string;
  fields?: string;
  ndjson?: boolean;
}

/** Express middleware: response.offload(document, options) sends the reply. */
export function express(jobs: Jobs): (request: any, response: any, next: (problem?: any) => void) => void;
/** Fastify plugin: reply.offload(document, options). */
export function fastify(app: any, options: { jobs: Jobs }, done: () => void): void;
