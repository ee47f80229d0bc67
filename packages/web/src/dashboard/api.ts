import type { contract } from '@filer/ip-server/contract';
import { apiOf } from '../ui/api.ts';

export const api = apiOf<typeof contract>();
