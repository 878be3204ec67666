import type { TransferTarget } from "../bindings";

export interface TargetGroup {
  name: string;
  targets: TransferTarget[];
}

export const targetId = (target: TransferTarget): string => `${target.target.kind}-${target.target.id}`;

/** Letters as one types them in a hurry: without case and accents. */
const plain = (text: string): string =>
  text
    .normalize("NFD")
    .replace(/\p{Mn}/gu, "")
    .toLowerCase();

/** Those whose name, extension or department holds every typed word; users first, then departments. */
export function find(targets: TransferTarget[], query: string): TargetGroup[] {
  const words = plain(query).split(/\s+/).filter(Boolean);
  const found = targets.filter((target) => {
    const text = plain([target.name, target.extension, ...target.departments].join(" "));
    return words.every((word) => text.includes(word));
  });
  return [
    { name: "Colleagues", targets: found.filter((target) => target.target.kind === "user") },
    { name: "Departments", targets: found.filter((target) => target.target.kind === "department") },
  ].filter((group) => group.targets.length > 0);
}
