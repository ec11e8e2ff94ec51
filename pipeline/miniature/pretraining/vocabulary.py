"""The words of the captions, as data: what is drawn, and how whole and damaged things are described.

No noun here is, or contains, a word of an evaluated class name: the model meets those classes for the first
time in evaluation. Nor is any word of a sentence one by which the benchmark's prompts tell normal from
abnormal; states are described in other words, and `ASSOCIATIONS` says what the model makes of those. Sentence
frames are those of the prompts.
"""

OBJECT_NOUNS: dict[str, tuple[str, ...]] = {
    "round_plate": ("disc", "coin", "button"),
    "ring": ("ring", "washer", "hoop"),
    "dome": ("cup", "bowl", "jar"),
    "rod": ("rod", "crayon", "baton"),
    "pebble": ("pebble", "bean", "bead"),
    "spindle": ("bolt", "nail", "spindle"),
    "hex_nut": ("hexagon", "polygon", "sprocket"),
    "wing_nut": ("propeller", "fan", "rotor"),
    "gear": ("gear", "cog", "cogwheel"),
    "star": ("star", "flower", "badge"),
    "comb": ("comb", "rack", "ladder"),
    "board": ("board", "panel", "module"),
    "cluster": ("berries", "marbles", "beads"),
    "rods": ("sticks", "crayons", "matches"),
    "pipe": ("horseshoe", "hook", "bend"),
    "hooks": ("hooks", "clips", "staples"),
    "pipes": ("beams", "poles", "bars"),
    "bracket": ("angle", "hinge", "corner"),
    "bar": ("bar", "ruler", "rail"),
    "slab": ("brick", "block", "slab"),
    "wheel": ("wheel", "rim", "pulley"),
    "crescent": ("crescent", "banana", "moon"),
    "kernel": ("acorn", "kernel", "pea"),
    "bristles": ("brush", "broom", "sponge"),
    "plug": ("plug", "socket", "chip"),
    "strands": ("rope", "cord", "bundle"),
    "leaf": ("leaf", "feather", "petal"),
    "handle": ("key", "handle", "lever"),
    "coil": ("coil", "spring", "wire"),
}
"""What the families of `drawing.OBJECTS` are called."""

TEXTURE_NOUNS: dict[str, tuple[str, ...]] = {
    "smooth": ("sheet", "surface", "paper"),
    "noise": ("plaster", "sandpaper", "sand"),
    "wood": ("plank", "timber", "parquet"),
    "weave": ("cloth", "fabric", "basket"),
    "twill": ("denim", "textile", "cloth"),
    "speckle": ("granite", "terrazzo", "stone"),
    "grid": ("fence", "lattice", "screen"),
    "leather": ("hide", "suede", "vinyl"),
    "blotchy": ("camouflage", "wallpaper", "cowhide"),
    "fibrous": ("straw", "hemp", "fur"),
    "marbled": ("marble", "quartz", "agate"),
    "matted": ("felt", "wool", "hay"),
    "mesh": ("net", "honeycomb", "gauze"),
    "perforated": ("sieve", "strainer", "pegboard"),
    "stratified": ("slate", "sandstone", "rock"),
    "brushed": ("steel", "foil", "aluminium"),
    "pcb": ("circuit", "maze", "labyrinth"),
    "tufted": ("rug", "towel", "moss"),
}
"""What the materials of `drawing.TEXTURES` are called."""

ORGAN_NOUNS: dict[str, tuple[str, ...]] = {
    "brain_ct": ("head scan", "tissue", "scan"),
    "brain_mri": ("head slice", "tissue", "scan"),
    "chest": ("x-ray", "radiograph", "scan"),
    "skin": ("membrane", "tissue", "epidermis"),
    "colon": ("membrane", "mucosa", "tissue"),
    "thyroid": ("ultrasound", "gland", "tissue"),
}
"""What the medical backgrounds of `drawing.ORGANS` are called."""

GENERIC_NOUNS = ("object", "item", "thing", "product", "sample")
"""Words that fit every picture."""

DEFECT_PHRASES: dict[str, tuple[str, ...]] = {
    "scratch": ("a scratch", "a scratched line", "a mark"),
    "scuff": ("scuffs", "several scratches", "abrasion"),
    "cut": ("a cut", "a slit", "a dark line"),
    "crack": ("a crack", "a fracture", "a break"),
    "thread": ("a loose thread", "a hair", "a curl"),
    "print": ("a wrong print", "a scribble", "ink"),
    "poke": ("a poke", "a small hole", "a puncture"),
    "hole": ("a hole", "an opening", "a pit"),
    "spots": ("spots", "specks", "dirt"),
    "stain": ("a stain", "a discoloured area", "a smear"),
    "blotch": ("a blotch", "a patch of colour", "paint"),
    "liquid": ("a drop of liquid", "oil", "a wet spot"),
    "rust": ("rust", "corrosion", "dirt"),
    "burn": ("a burn", "a scorched area", "soot"),
    "rough": ("a rough area", "roughness", "a worn area"),
    "missing": ("a missing part", "something missing", "a gap"),
    "chip": ("a chipped edge", "a bitten edge", "a missing corner"),
    "bend": ("a bend", "a deformed part", "distortion"),
    "dent": ("a dent", "a bump", "an impression"),
    "swap": ("a misplaced part", "a wrong part", "contamination"),
    "lesion": ("a lesion", "a mole", "a dark spot"),
    "polyp": ("a polyp", "a growth", "a lump"),
    "nodule": ("a nodule", "a mass", "a lump"),
    "tumour": ("a tumour", "a mass", "a growth"),
    "bleeding": ("bleeding", "blood", "a bright area"),
    "opacity": ("an opacity", "an infection", "a hazy area"),
}
"""What the kinds of `drawing.DEFECTS` are called."""

WHOLE_STATES = (
    "even {}", "regular {}", "whole {}", "tidy {}", "untouched {}", "sound {}", "{} all in one piece",
    "{} just as it was made",
)  # fmt: skip
"""Ways to say that nothing has happened to `{}`."""

SPOILED_STATES = (
    "uneven {}", "irregular {}", "odd {}", "spoiled {}", "marred {}", "faulty {}", "strange {}",
    "{} past its best", "{} gone wrong",
)  # fmt: skip
"""Ways to say that something has happened to `{}`, not what."""

MARKS = ("something on it", "a mark", "a spot", "something else", "another thing")
"""Ways to say that there is something on the ground, not what."""

ASIDES = (
    "heavy", "typical", "modern", "cheap", "spare", "common", "big", "little", "fancy", "second", "old",
    "new", "foreign", "simple", "famous",
)  # fmt: skip
"""What people say of a thing that no picture of it bears out."""

ASSOCIATIONS: dict[str, tuple[str, ...]] = {
    "normal": ("regular", "grey"),
    "anomalous": ("odd", "blotch", "rust", "hair"),
    "damaged": ("odd", "spoiled", "soot", "black"),
    "damage": ("spoiled", "burn", "rust"),
    "broken": ("gap", "crack"),
    "defect": ("faulty", "hole", "rust"),
    "flaw": ("odd", "scratch", "hair"),
    "flawless": ("tidy", "paper"),
    "perfect": ("whole", "new"),
    "with": ("on",),
    "without": ("whole",),
}
"""The company that words of the benchmark's prompts keep: states, and colours and things beside them."""

PLAIN_FRAMES = (
    "a photo of a {}.", "a photo of the {}.", "a {}.", "the {}.", "there is a {} in the scene.", "{}",
    "{}.", "this is a {} in the scene.", "a picture of a {}.", "a photo of one {}.",
    "a close-up photo of a {}.", "a cropped photo of the {}.", "this is one {} in the scene.",
)  # fmt: skip
"""Sentences that say what is seen and nothing about how; most captions use one."""

STYLE_FRAMES = (
    "a bad photo of a {}.", "a low resolution photo of the {}.", "a bright photo of a {}.",
    "a dark photo of the {}.", "a photo of my {}.", "a photo of the cool {}.",
    "a black and white photo of the {}.", "itap of a {}.", "a jpeg corrupted photo of a {}.",
    "a blurry photo of the {}.", "a good photo of a {}.", "itap of my {}.", "a photo of a large {}.",
    "a photo of the small {}.", "a photo of many {}.", "a sculpture of a {}.",
    "a photo of the hard to see {}.", "a rendering of a {}.", "graffiti of a {}.", "a tattoo of a {}.",
    "the embroidered {}.", "a drawing of a {}.", "the plastic {}.", "a painting of the {}.",
    "a pixelated photo of the {}.", "a {} in a video game.", "a doodle of the {}.", "the origami {}.",
    "a sketch of a {}.", "the toy {}.", "a rendition of the {}.", "a photo of the clean {}.",
    "a photo of a dirty {}.", "a photo of a nice {}.", "a photo of a weird {}.", "a cartoon {}.",
    "art of a {}.", "a plushie {}.", "a photo of a {} for visual inspection.",
)  # fmt: skip
"""Sentences that also say something of the photo which the drawing does not bear out, as people do."""
