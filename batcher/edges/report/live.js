"use strict";
// Renews the page from its own address. What it fetches is parsed as an inert document; no script of it can run.
(() => {
  const EVERY = 2000;
  const connection = document.getElementById("connection");
  const say = (text) => { connection.textContent = text; connection.hidden = !text; };
  const isOpen = () => new Map([...document.querySelectorAll("details[id]")].map((each) => [each.id, each.open]));
  const replace = (fresh) => {
    const opened = isOpen();
    const focused = document.activeElement?.id;
    for (const part of ["header", "main"]) {
      document.querySelector(part).replaceWith(document.adoptNode(fresh.querySelector(part)));
    }
    for (const [id, open] of opened) {
      const details = document.getElementById(id);
      if (details) details.open = open;
    }
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    document.title = fresh.title;
  };
  const renew = async () => {
    // A person who has marked text is about to copy it.
    if (!document.hidden && (getSelection()?.isCollapsed ?? true)) {
      try {
        const answer = await fetch(location.pathname, { cache: "no-store", credentials: "omit", redirect: "error" });
        if (answer.ok) {
          replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
          say("");
        } else {
          say("The run is too busy to answer. These are its last figures.");
        }
      } catch {
        say("The run does not answer any more: it has ended, or the connection is lost. These are its last figures.");
      }
    }
    setTimeout(renew, EVERY);
  };
  setTimeout(renew, EVERY);
})();
