import { contentHash } from "./canonical";
import type { Contract } from "./contract";

/** The key in model.json's `userDefinedMetadata`; `KEY` in fer_export/contract. */
const KEY = "fer_export.contract";
const VERSION: Contract["version"] = 2;

/** What the view is told about a model: its contract without the golden pictures. */
export type Provenance = Omit<Contract, "golden">;

/** A contract, and whether it was checked against its own hash, which not every browser can compute. */
export interface ReadContract {
  readonly contract: Contract;
  readonly hashed: boolean;
}

/**
 * Read the contract in a model.json. The page knows no label, size, threshold or template of its own.
 *
 * Python validated every field when it wrote the file, so here it is enough to tell that it is a contract of a
 * version that this page reads, and that nobody has edited it since.
 *
 * @param where What is being read, for the error.
 * @throws Error There is no contract, it is of another version, or it was edited.
 */
export async function readContract(model: { userDefinedMetadata?: unknown }, where: string): Promise<ReadContract> {
  const metadata = model.userDefinedMetadata as Record<string, unknown> | undefined;
  const found = metadata?.[KEY];
  const record = (typeof found === "string" ? JSON.parse(found) : found) as Record<string, unknown> | null | undefined;
  if (typeof record !== "object" || record === null) throw new Error(`the ${where} carries no contract`);
  checkVersion(record["version"], where);
  const hash = await contentHash(record, "sha256");
  if (hash !== null && hash !== record["sha256"]) {
    throw new Error(`the ${where}'s contract was edited after it was written: export the model again`);
  }
  return { contract: record as unknown as Contract, hashed: hash !== null };
}

/** Check the version before anything else, since another version may have other fields. */
function checkVersion(version: unknown, where: string): void {
  if (typeof version !== "number") throw new Error(`the ${where}'s contract says no version`);
  if (version > VERSION) throw new Error(`the ${where} was written by a newer fer-export (contract ${version}): update`);
  if (version < VERSION) {
    throw new Error(`the ${where} was written by an older fer-export (contract ${version}): export the model again`);
  }
}
