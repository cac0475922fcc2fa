/** Colours of the style sheet for a canvas, which cannot read custom properties or light-dark() itself. */

const PROBE_ID = "colour-probe";

const probe = (): HTMLElement => {
  const found = document.getElementById(PROBE_ID);
  if (found) return found;
  const made = document.createElement("i");
  made.id = PROBE_ID;
  made.hidden = true;
  document.body.append(made);
  return made;
};

/** The colour of a category's class in the theme of the moment, or of another custom property. */
export const colourOf = (category: string, property = "--c"): string => {
  const element = probe();
  element.className = category;
  element.style.color = `var(${property})`;
  return getComputedStyle(element).color;
};

export const withAlpha = (colour: string, alpha: number): string => {
  const parts = /^rgba?\(([\d.]+),\s*([\d.]+),\s*([\d.]+)/.exec(colour);
  return parts ? `rgba(${parts[1]}, ${parts[2]}, ${parts[3]}, ${alpha})` : colour;
};
