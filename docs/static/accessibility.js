// What the theme leaves out for keyboards and screen readers.
function complete() {
  // A keyboard can move sideways what is wider than its place.
  for (const box of document.querySelectorAll("pre, .table-wrapper, .wide-picture, .math-block")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

document.addEventListener("DOMContentLoaded", () => {
  for (const caption of document.querySelectorAll("p.caption[role=heading]")) {
    caption.setAttribute("aria-level", "2");
  }
  // Long signatures are lists for their look alone.
  for (const item of document.querySelectorAll(".sig dl, .sig dd")) item.role = "presentation";
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "All pages");
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", "On this page");
  complete();
});
window.addEventListener("load", complete);
window.addEventListener("resize", complete);
