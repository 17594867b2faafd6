// @ts-check
import { pageData } from "../shared/api.js";
import { bindKeys } from "../shared/keys.js";

const { keys, paths } = pageData();
bindKeys(keys, { go: (pressed, binding) => pressed && location.assign(paths[binding.name]) }, { scope: "home" });
