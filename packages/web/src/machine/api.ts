import type { contract } from '@filer/filer-client/contract';
import { apiOf } from '../ui/api.ts';

export const api = apiOf<typeof contract>();
