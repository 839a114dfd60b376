// Pictures to begin with, and names to try on them; `label` is the right one. Where they come from stands in NOTICE.

export const SAMPLES = [
  {
    file: "cup-on-the-moon.jpg", width: 512, height: 384, title: "Cup on the Moon", label: "cup of coffee",
    alt: "A cup of coffee on a saucer, set on the cratered ground of the Moon",
    names: ["cup of coffee", "moon rover", "meteorite", "astronaut", "satellite"],
  },
  {
    file: "cat.jpg", width: 512, height: 384, title: "Cat", label: "cat",
    alt: "The face of a tabby cat",
    names: ["cat", "dog", "fox", "owl", "rabbit"],
  },
  {
    file: "rocket.jpg", width: 512, height: 384, title: "Rocket", label: "rocket",
    alt: "A rocket between lightning towers on a launch pad at dusk",
    names: ["rocket", "lighthouse", "crane", "power line", "fireworks"],
  },
];
