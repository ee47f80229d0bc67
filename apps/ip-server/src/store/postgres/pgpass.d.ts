declare module 'pgpass' {
  /** Looks in the file that PGPASSFILE names, or in ~/.pgpass. */
  function pgpass(
    place: {
      readonly host: string;
      readonly port: number;
      readonly user: string;
      readonly database: string;
    },
    found: (password: string | undefined) => void,
  ): void;
  export = pgpass;
}
