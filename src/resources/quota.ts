/** A project's own limit for one resource; -1 is no limit. Projects without a row have the configured default. */
export interface QuotaRow {
  readonly project_id: string;
  readonly resource: string;
  limit: number;
}
