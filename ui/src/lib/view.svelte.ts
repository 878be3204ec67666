// The one copy of the desk's view in this window. It listens first, asks once, and after that only receives.
import {
  commands, events, type LivePatch, type LiveRow, type LogsPatch, type View, type ViewPatch, type Wish,
} from "../bindings";

interface Shown {
  /** Nothing until the desk has answered for the first time. */
  view: View | null;
  /** Set when the desk can't be reached at all: then nothing else on the screen is true. */
  broken: string | null;
  /** Calls that this window saw arriving by a transfer, so that their row can say whom they reached. */
  moved: ReadonlySet<string>;
}

let view = $state.raw<View | null>(null);
let broken = $state.raw<string | null>(null);
let moved = $state.raw<ReadonlySet<string>>(new Set());

export const shown: Shown = {
  get view() {
    return view;
  },
  get broken() {
    return broken;
  },
  get moved() {
    return moved;
  },
};

export async function connect(): Promise<void> {
  const early: ViewPatch[] = [];
  try {
    await events.viewChanged.listen(({ payload }) => {
      if (view) receive(payload);
      else early.push(payload);
    });
    view = sorted(await commands.view());
    early.forEach(receive);
  } catch (error) {
    broken = `The desk does not answer (${String(error)}). Quit Patchcord and start it again.`;
  }
}

/** Says what the person wants. What becomes of it arrives as a patch, so there is nothing to wait for. */
export function ask(wish: Wish): void {
  post(commands.wish(wish));
}

/** A command that answers nothing. */
export function post(command: Promise<unknown>): void {
  command.catch((error: unknown) => {
    broken = `The desk does not answer (${String(error)}). Quit Patchcord and start it again.`;
  });
}

function receive(patch: ViewPatch): void {
  if (!view) return;
  if (patch.live) noteMoves(view.live.calls, patch.live);
  view = applied(view, patch);
}

/** `view` with every section that `patch` carries; the others are the same objects as before. */
export function applied(view: View, patch: ViewPatch): View {
  return {
    session: patch.session ?? view.session,
    link: patch.link ?? view.link,
    live: patch.live ? appliedLive(view.live, patch.live) : view.live,
    phone: patch.phone ?? view.phone,
    rings: patch.rings ?? view.rings,
    dialog: patch.dialog ? patch.dialog.open : view.dialog,
    logs: patch.logs ? appliedLogs(view.logs, patch.logs) : view.logs,
    details: patch.details ? patch.details.open : view.details,
    directory: patch.directory ?? view.directory,
    sound: patch.sound ?? view.sound,
    notices: patch.notices ?? view.notices,
    asking: patch.asking ?? view.asking,
    keeping: patch.keeping ?? view.keeping,
    player: patch.player ? patch.player.open : view.player,
    accounts: patch.accounts ?? view.accounts,
  };
}

function appliedLogs({ head, rows }: View["logs"], patch: LogsPatch): View["logs"] {
  const { at, removed, added } = patch.rows ?? { at: 0, removed: 0, added: [] };
  return {
    head: patch.head ?? head,
    rows: patch.rows ? rows.slice(0, at).concat(added, rows.slice(at + removed)) : rows,
  };
}

function appliedLive(live: View["live"], patch: LivePatch): View["live"] {
  const rows = new Map(patch.reset ? [] : live.calls.map((row) => [row.call.id, row]));
  for (const row of patch.changed) rows.set(row.call.id, row);
  for (const id of patch.gone) rows.delete(id);
  return { as_of: patch.as_of ?? live.as_of, calls: [...rows.values()].sort(oldestFirst) };
}

/** Oldest first: a row keeps its place while calls come below it, and who waits longest is at the top. */
function oldestFirst(a: LiveRow, b: LiveRow): number {
  return a.call.started_at - b.call.started_at || (a.call.id < b.call.id ? -1 : 1);
}

function sorted(view: View): View {
  return { ...view, live: { ...view.live, calls: [...view.live.calls].sort(oldestFirst) } };
}

function noteMoves(before: LiveRow[], patch: LivePatch): void {
  const transferring = new Set(before.filter((row) => row.call.transfer).map((row) => row.call.id));
  const arrived = patch.changed.filter(
    ({ call }) => transferring.has(call.id) && !call.transfer && call.state.kind === "talking",
  );
  if (arrived.length === 0 && !patch.gone.some((id) => moved.has(id))) return;
  const next = new Set(moved);
  for (const { call } of arrived) next.add(call.id);
  for (const id of patch.gone) next.delete(id);
  moved = next;
}
