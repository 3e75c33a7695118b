// A file on its way from this browser to the project's server: chosen or dropped, with progress, and a way to stop it.

import { send, size } from "../../../home/page/parts.js";

export default function ({ data, parentElement, setTriggerValue }) {
  const box = (parentElement.uploadBox ??= new UploadBox(parentElement));
  box.use(data, setTriggerValue);
}

/** Of a page's address, whatever path the app has: every page lies directly below it. */
const address = (name) => new URL(`./api/uploads?name=${encodeURIComponent(name)}`, location.href).href;

class UploadBox {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    Object.assign(this, { drop: find(".drop"), title: find("b"), limit: find("small"), input: find("input"), bar: find("progress") });
    Object.assign(this, { going: find(".going"), doing: find(".doing"), stop: find(".stop"), error: find(".error") });
    Object.assign(this, { present: find(".present"), name: find(".name"), remove: find(".remove") });
    this.input.addEventListener("change", () => this.upload(this.input.files[0]));
    this.stop.addEventListener("click", () => this.sending?.stop());
    this.remove.addEventListener("click", () => this.tell("removed", true));
    for (const kind of ["dragenter", "dragover"]) this.drop.addEventListener(kind, (event) => this.over(event, true));
    for (const kind of ["dragleave", "drop"]) this.drop.addEventListener(kind, (event) => this.over(event, false));
    this.drop.addEventListener("drop", (event) => this.upload(event.dataTransfer.files[0]));
  }

  use({ label, most, name }, tell) {
    this.tell = tell;
    this.most = most;
    this.title.textContent = label;
    this.limit.textContent = `Drop it here, or click to choose it. Up to ${size(most)}.`;
    this.name.textContent = name;
    if (!this.sending) this.show(name ? "present" : "drop");
  }

  over(event, on) {
    event.preventDefault();
    this.drop.classList.toggle("over", on);
  }

  show(part) {
    for (const one of ["drop", "going", "present"]) this[one].hidden = one !== part;
  }

  async upload(file) {
    this.error.textContent = "";
    if (!file) return;
    if (file.size > this.most) {
      this.error.textContent = `${file.name} has ${size(file.size)}; ${size(this.most)} can be uploaded.`;
      return;
    }
    const told = (done, total) => {
      this.doing.textContent = `Sending ${file.name}: ${size(done)} of ${size(total)}`;
      this.bar.value = total ? done / total : 0;
    };
    told(0, file.size);
    this.show("going");
    this.stop.focus();
    this.sending = send(address(file.name), file, told);
    try {
      const { id } = await this.sending.done;
      this.doing.textContent = `${file.name} is here.`;
      this.tell("uploaded", id);
    } catch (error) {
      this.error.textContent = error.message;
      this.show(this.name.textContent ? "present" : "drop");
    }
    this.sending = null;
    this.input.value = "";
  }
}
