import type { TransferTarget } from "../bindings";

export interface TargetGroup {
  name: string;
  targets: TransferTarget[];
}

export const targetId = ({ target }: TransferTarget): string =>
  target.kind === "outside" ? "outside" : `${target.kind}-${target.id}`;

/** What was typed, if it can be dialled: a telephone number as people write it, that is nobody's extension. */
export function outsideNumber(query: string, targets: TransferTarget[]): string | null {
  const number = query.trim();
  if (!/^\+?[\d\s()./-]+$/.test(number) || number.length > 40) return null;
  const digits = number.replace(/\D/g, "");
  return digits.length >= 3 && !targets.some(({ extension }) => extension === digits) ? number : null;
}

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
