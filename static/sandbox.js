// The sandbox's page without this file is plain forms; with it the theme follows the system, threads stay at their end,
// opened journeys stay open, and a hidden tab asks nothing.
(() => {
  "use strict";

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const theme = () => { document.documentElement.dataset.bsTheme = dark.matches ? "dark" : "light"; };
  dark.addEventListener("change", theme);
  theme();

  const turned = new Map(); // id of a journey -> whether a person left it open

  const toEnd = (thread) => { thread.scrollTop = thread.scrollHeight; };

  const notice = (words) => {
    const place = document.getElementById("notice");
    if (place) place.textContent = words;
  };

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".thread").forEach(toEnd);
    document.querySelectorAll("[data-submit-on-change]").forEach((form) => {
      form.addEventListener("change", () => form.requestSubmit());
      form.classList.add("submits-itself");
    });
  });

  document.addEventListener("click", (event) => {
    const summary = event.target.closest(".trip > summary");
    if (summary) turned.set(summary.parentElement.id, !summary.parentElement.open);
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    const polls = event.detail.elt.id.startsWith("live-");
    if (polls && document.hidden) event.preventDefault();
  });

  document.addEventListener("htmx:beforeSwap", (event) => {
    const thread = event.detail.target;
    if (thread.classList.contains("thread")) {
      thread.dataset.atEnd = thread.scrollHeight - thread.scrollTop - thread.clientHeight < 60 ? "1" : "";
    }
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    const block = event.detail.target;
    if (block.dataset.atEnd) toEnd(block);
    turned.forEach((open, id) => {
      const journey = document.getElementById(id);
      if (journey) journey.open = open;
    });
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt;
    if (event.detail.successful) notice("");
    if (event.detail.successful && form.matches("form[data-clear]")) {
      form.elements.text.value = "";
      document.querySelectorAll(".thread").forEach(toEnd);
    }
  });

  // As in every messenger: Enter sends, Shift and Enter begin a new line.
  document.addEventListener("keydown", (event) => {
    const send = event.key === "Enter" && !event.shiftKey && !event.isComposing;
    if (send && event.target.matches("form[data-clear] textarea")) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
  });

  document.addEventListener("htmx:responseError", (event) => notice(event.detail.xhr.responseText.slice(0, 300)));
  document.addEventListener("htmx:sendError", () => notice("The sandbox does not answer: is it still running?"));
})();
