// How loud microphone and speaker are: streamed only while something shows it and the page is in sight.
import { Channel } from "@tauri-apps/api/core";
import { commands, type Levels } from "../bindings";

const silence: Levels = { microphone: -100, speaker: -100 };

/** To be called while a component with a meter is set up. */
export function watchLevels(): { readonly now: Levels } {
  let now = $state.raw(silence);
  $effect(() => {
    const follow = () => {
      now = silence;
      if (document.hidden) return void commands.unwatchLevels().catch(() => {});
      const channel = new Channel<Levels>();
      channel.onmessage = (levels) => (now = levels);
      // A desk that does not answer is said elsewhere; the meter rests.
      commands.watchLevels(channel).catch(() => {});
    };
    follow();
    document.addEventListener("visibilitychange", follow);
    return () => {
      document.removeEventListener("visibilitychange", follow);
      commands.unwatchLevels().catch(() => {});
    };
  });
  return {
    get now() {
      return now;
    },
  };
}
