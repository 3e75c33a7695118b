// What a press on a marked piece of the text shows: the fields whose values stand there, each with what can be done about it.

import { element } from "../elements.js";
import { colourOf } from "./extract_spans.js";

export class MentionMenu {
  /** hand: drop(mention), all(mention). */
  constructor(hand) {
    this.hand = hand;
    this.root = element("div", { class: "mentions", popover: "auto", role: "group", "aria-label": "Values at this place" });
  }

  /** At a rectangle of the window. */
  open(mentions, fields, { left, bottom }) {
    this.root.replaceChildren(...mentions.map((mention) => this.row(mention, fields[mention.index])));
    this.root.showPopover();
    const { width, height } = this.root.getBoundingClientRect();
    const below = bottom + 8 + height < innerHeight;
    this.root.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
    this.root.style.top = `${below ? bottom + 8 : Math.max(8, bottom - height - 40)}px`;
  }

  row(mention, field) {
    const name = element("span", { class: "name", dir: "auto" }, field.title);
    const row = element("div", { class: "mention" }, element("i", { "aria-hidden": "true" }), name);
    if (mention.path !== field.path) name.append(` · ${mention.path.split(".").at(-1).replaceAll("_", " ")}`);
    row.style.setProperty("--colour", colourOf(mention.index));
    row.append(element("q", { dir: "auto" }, mention.value));
    for (const [text, act] of [["Mark all", this.hand.all], ["Remove", this.hand.drop]]) {
      const button = element("button", { type: "button" }, text);
      button.onclick = () => {
        this.close();
        act(mention);
      };
      row.append(button);
    }
    return row;
  }

  close() {
    if (this.root.matches(":popover-open")) this.root.hidePopover();
  }
}
