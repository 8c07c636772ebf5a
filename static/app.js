// Every page works without this file. With it the theme follows the system, times are the reader's own, a hidden tab
// asks nothing, and a block that has not changed is not sent again.
(() => {
  "use strict";

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const theme = () => { document.documentElement.dataset.bsTheme = dark.matches ? "dark" : "light"; };
  dark.addEventListener("change", theme);
  theme();

  // Times

  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
  const day = { day: "numeric", month: "short", ...clock };
  const inFull = { year: "numeric", ...day };

  const own = (moment) => {
    const now = new Date();
    const fields = moment.toDateString() === now.toDateString() ? clock
      : moment.getFullYear() === now.getFullYear() ? day : inFull;
    return new Intl.DateTimeFormat(undefined, fields).format(moment);
  };

  const localise = (root) => root.querySelectorAll("time[datetime]:not([title])").forEach((time) => {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) return;
    time.title = time.textContent;
    time.textContent = own(moment);
  });

  // Polled blocks: what the server sent last, and how often it has failed to answer.

  const blocks = new WeakMap();
  const state = (element) => {
    if (!blocks.has(element)) blocks.set(element, { tag: "", failures: 0, skip: 0 });
    return blocks.get(element);
  };
  const polls = (element) => (element.getAttribute("hx-trigger") || "").startsWith("every");

  document.addEventListener("htmx:configRequest", (event) => {
    const { elt, headers } = event.detail;
    if (!polls(elt)) headers["X-By-Hand"] = "1"; // a poll keeps no session alive
    else if (state(elt).tag) headers["If-None-Match"] = state(elt).tag;
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    const element = event.detail.elt;
    if (!polls(element)) return;
    const known = state(element);
    if (document.hidden || known.skip > 0) {
      known.skip = Math.max(known.skip - 1, 0);
      event.preventDefault();
    }
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, xhr, successful } = event.detail;
    if (!polls(elt)) return;
    const known = state(elt);
    known.failures = successful ? 0 : known.failures + 1;
    known.skip = successful ? 0 : Math.min(2 ** known.failures, 12);
    if (successful) known.tag = xhr.getResponseHeader("ETag") || "";
    if (successful) expire(elt);
    say(successful ? "" : words().stale);
  });

  // What is good for some seconds only, a code to scan: it goes when nothing has said since that it still is.

  const expiries = new WeakMap();
  const expire = (root) => root.querySelectorAll("[data-good-for]").forEach((element) => {
    clearTimeout(expiries.get(element));
    expiries.set(element, setTimeout(() => {
      const line = document.createElement("p");
      line.textContent = element.dataset.afterwards;
      element.replaceWith(line);
      state(root).tag = ""; // the same code, should it still be good, has to be sent again
    }, element.dataset.goodFor * 1000));
  });

  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !window.htmx) return;
    document.querySelectorAll("[hx-trigger^=every]").forEach((element) => {
      state(element).skip = 0;
      window.htmx.trigger(element, "wake");
    });
  });

  // What a request of htmx came to, said where screen readers listen

  const words = () => document.getElementById("notices").dataset; // in the reader's language
  const say = (sentence) => {
    const place = document.getElementById("notices");
    let line = document.getElementById("live-notice");
    if (!line && sentence) {
      line = document.createElement("p");
      line.id = "live-notice";
      line.className = "notice notice-error";
      place.append(line);
    }
    if (line && !sentence) line.remove();
    else if (line && line.textContent !== sentence) line.textContent = sentence;
  };

  const failed = (event) => {
    if (!polls(event.detail.elt)) say(words().failed);
  };
  document.addEventListener("htmx:responseError", failed);
  document.addEventListener("htmx:sendError", failed);

  // Not `autofocus`: browsers refuse it in a frame of another site.
  document.addEventListener("htmx:afterSettle", (event) => {
    const place = event.detail.target;
    if (place && !polls(event.detail.elt)) place.querySelector("[data-focus]")?.focus();
  });

  // A page brought back by the history is swapped too, but has no element of its own.
  document.addEventListener("htmx:afterSwap", (event) => {
    const { elt, target } = event.detail;
    localise(target || document);
    expire(target || document);
    if (!elt || !polls(elt)) say("");
  });
  document.addEventListener("DOMContentLoaded", () => { localise(document); expire(document); });

  // A conversation stands at its end and stays there as it grows, unless its reader has gone up; what is put above
  // what they read does not push it away.

  const ends = () => document.querySelectorAll("[data-follow=end]").forEach((log) => { log.scrollTop = log.scrollHeight; });
  let above = null;
  document.addEventListener("scroll", ({ target }) => {
    if (!target.dataset || target.dataset.follow === undefined) return;
    target.dataset.follow = target.scrollHeight - target.scrollTop - target.clientHeight < 60 ? "end" : "";
  }, true);
  document.addEventListener("htmx:beforeSwap", ({ detail: { elt, target } }) => {
    const log = !polls(elt) && target.closest("[data-follow]");
    above = log ? { log, rest: log.scrollHeight - log.scrollTop } : null;
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (above) above.log.scrollTop = above.log.scrollHeight - above.rest;
    above = null;
    ends();
  });
  window.addEventListener("load", ends);

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-confirm]");
    if (button && !window.confirm(button.dataset.confirm)) event.preventDefault();
  });
})();
