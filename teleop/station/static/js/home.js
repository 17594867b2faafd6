// @ts-check
import { pageData } from "./api.js";
import { bindKeys } from "./keys.js";

const { keys, paths } = pageData();
bindKeys(keys, { go: (pressed, binding) => pressed && location.assign(paths[binding.name]) }, { scope: "home" });
