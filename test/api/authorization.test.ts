/** Who may do what by default. */
import { testMatrix } from './authorization-matrix.ts';

testMatrix({});
