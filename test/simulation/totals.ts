/** The figures of many runs together. */
import { addCoverage, type Coverage } from './coverage.ts';
import type { RunResult } from './run.ts';

export class Totals {
  seeds = 0;
  failed = 0;
  steps = 0;
  deliveries = 0;
  agentMs = 0;
  slowestMs = 0;
  readonly coverage: Coverage = {};
  readonly #began = performance.now();
  readonly #boundMs: number;

  constructor(boundMs: number) {
    this.#boundMs = boundMs;
  }

  add(result: RunResult): void {
    this.seeds += 1;
    if (result.failure !== undefined) this.failed += 1;
    this.steps += result.steps;
    this.deliveries += result.deliveries;
    this.agentMs += result.agentMs;
    if (result.failure === undefined) this.slowestMs = Math.max(this.slowestMs, result.convergedInMs ?? 0);
    addCoverage(this.coverage, result.coverage);
  }

  figures(): Record<string, number> {
    const seconds = (performance.now() - this.#began) / 1_000;
    const agentHours = this.agentMs / 3_600_000;
    return {
      seeds: this.seeds,
      steps: this.steps,
      deliveries: this.deliveries,
      violations: this.failed,
      agent_hours: round(agentHours),
      agent_hours_per_s: round(agentHours / seconds),
      converged_max_s: round(this.slowestMs / 1_000),
      bound_s: this.#boundMs / 1_000,
      seconds: round(seconds),
    };
  }

  text(): string {
    const of = this.figures();
    return [
      `${of['seeds']} seeds, ${of['violations']} violations, ${of['seconds']} s`,
      `${of['steps']} steps, ${of['deliveries']} deliveries`,
      `${of['agent_hours']} hours of agents simulated: ${of['agent_hours_per_s']} in each second`,
      `calm again: all converged within ${of['converged_max_s']} s at most (bound ${of['bound_s']} s)`,
      '',
    ].join('\n');
  }
}

const round = (value: number) => Math.round(value * 100) / 100;
