// How this person likes the window. Kept in the web view; nothing here matters to a call.

export type Theme = "system" | "light" | "dark";
export const textSizes = [100, 125, 150, 200] as const;
export type TextSize = (typeof textSizes)[number];

interface Prefs {
  theme: Theme;
  textSize: TextSize;
  widgetOpen: boolean;
  todayOpen: boolean;
  todayTable: boolean;
}

const KEY = "patchcord.prefs";
const defaults: Prefs = { theme: "system", textSize: 100, widgetOpen: true, todayOpen: true, todayTable: false };

export const prefs = $state<Prefs>(read());

export function setPref<K extends keyof Prefs>(key: K, value: Prefs[K]): void {
  prefs[key] = value;
  localStorage.setItem(KEY, JSON.stringify(prefs));
  show();
}

function read(): Prefs {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Record<keyof Prefs, unknown>>;
    return {
      theme: kept.theme === "light" || kept.theme === "dark" ? kept.theme : defaults.theme,
      textSize: textSizes.find((size) => size === kept.textSize) ?? defaults.textSize,
      widgetOpen: kept.widgetOpen !== false,
      todayOpen: kept.todayOpen !== false,
      todayTable: kept.todayTable === true,
    };
  } catch {
    return { ...defaults };
  }
}

function show(): void {
  const root = document.documentElement;
  if (prefs.theme === "system") delete root.dataset.theme;
  else root.dataset.theme = prefs.theme;
  root.style.fontSize = prefs.textSize === 100 ? "" : `${prefs.textSize}%`;
}

// The ring window follows what is chosen in the main one.
addEventListener("storage", (event) => {
  if (event.key !== KEY) return;
  Object.assign(prefs, read());
  show();
});
show();
