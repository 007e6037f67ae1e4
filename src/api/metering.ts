/** Metering labels and their rules, for admins: made and deleted, not changed. */
import {
  createLabelRules,
  createLabels,
  listLabelRules,
  listLabels,
  removeLabel,
  removeLabelRule,
  showLabel,
  showLabelRule,
} from '../operations/metering.ts';
import {
  meteringLabelMap,
  type MeteringLabelRow,
  meteringLabelRuleMap,
  type MeteringLabelRuleRow,
} from '../resources/metering.ts';
import { collection } from './collection.ts';

const compute = () => Promise.resolve(() => ({}));

export const meteringLabelCollection = collection<MeteringLabelRow>(
  meteringLabelMap,
  { create: createLabels, remove: removeLabel, show: showLabel, list: listLabels, compute },
  { adminOnly: true },
);

export const meteringLabelRuleCollection = collection<MeteringLabelRuleRow>(
  meteringLabelRuleMap,
  {
    ...{ create: createLabelRules, remove: removeLabelRule },
    ...{ show: showLabelRule, list: listLabelRules, compute },
  },
  { adminOnly: true },
);
