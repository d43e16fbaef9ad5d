// Search without a server: browsers start no workers from files, so a page that was opened from a folder runs its worker in a hidden frame.
(() => {
  if (location.protocol !== "file:") return;

  const load = (...urls) =>
    urls.reduce(
      (before, url) =>
        before.then(
          () =>
            new Promise((done) => {
              const script = document.createElement("script");
              script.src = url;
              script.onload = done;
              document.body.appendChild(script);
            }),
        ),
      Promise.resolve(),
    );

  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.appendChild(this.frame);
      this.inside = this.frame.contentWindow;
      this.tell = this.inside.postMessage.bind(this.inside); // in the frame the name is to lead out, as it does in a worker
      this.heard = (event) => {
        if (event.source !== this.inside) return;
        this.dispatchEvent(new MessageEvent("message", { data: event.data }));
        if (this.onmessage) this.onmessage(event);
      };
      window.addEventListener("message", this.heard);
      const out = 'postMessage = (data) => parent.postMessage(data, "*");';
      const page = this.inside.document;
      page.open();
      page.write(`<html><body><script>${out} importScripts = ${load};</` + `script><script src="${url}"></` + `script></body></html>`);
      page.close();
    }

    postMessage(data) {
      const send = () => this.tell(data, "*");
      if (this.inside.document.readyState === "complete") send();
      else this.frame.addEventListener("load", send, { once: true });
    }

    terminate() {
      window.removeEventListener("message", this.heard);
      this.frame.remove();
    }
  };
})();
