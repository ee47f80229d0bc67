import { flag, type ArgumentValues } from '../arguments.ts';

export const serviceArguments = {
  user: flag('as root: the service of this user, not of the machine'),
};
export type ServiceArguments = ArgumentValues<typeof serviceArguments>;
