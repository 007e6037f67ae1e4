/** What Neutron calls the standard attributes: every API resource row carries them. */
export interface StandardAttributes {
  readonly id: string;
  project_id: string;
  description: string;
  revision_number: number;
  /** `2026-01-31T12:00:00Z` */
  created_at: string;
  updated_at: string;
  /** Different, sorted. */
  tags: string[];
}
