/** Who may do what with a policy file that says of every rule what is so by default: that the words of the defaults mean what is done. */
import { ruleNames } from '../../src/api/policy-names.ts';
import { collections } from '../../src/api/collections.ts';
import { ROLE_NAMES } from '../../src/api/token.ts';
import { testMatrix } from './authorization-matrix.ts';

const { defaults } = ruleNames(collections, ROLE_NAMES);

testMatrix({ policy: JSON.stringify(Object.fromEntries(defaults.map(({ name, words }) => [name, words]))) });
