/** The resources that are rows of one table and little more: docs/how-to/add-a-resource.md. */
import type { Collection } from './collection.ts';

export const plainCollections: readonly Collection[] = [];
