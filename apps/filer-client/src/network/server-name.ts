/** How the ip-server is called where the name of a peer stands. */
export const SERVER_NAME = 'ip-server';

/** The same for people, in a form that no name can have. */
export const SHOWN_SERVER_NAME = `(${SERVER_NAME})`;
