"""The works that a methods text cites, as plain text and as BibTeX."""

from __future__ import annotations

from attrs import frozen


@frozen
class Work:
    """A cited work."""

    key: str
    """Of the BibTeX entry."""
    kind: str
    """BibTeX type: ``article``, ``inproceedings``, ``misc``, ``software``."""
    authors: tuple[str, ...]
    """``Family, Initials``; ``others`` at the end where there are more."""
    title: str
    """As published."""
    year: int | None = None
    """None for software that is cited by its concept."""
    journal: str = ""
    """Journal, proceedings or archive."""
    volume: str = ""
    number: str = ""
    pages: str = ""
    doi: str = ""
    """Empty if it has none, or none was found."""
    eprint: str = ""
    """arXiv number."""
    version: str = ""
    """Of software."""

    @property
    def text(self) -> str:
        """Return the reference as a line of text."""
        names = [name.replace(", ", " ").replace("others", "et al.") for name in self.authors]
        year = f" ({self.year})" if self.year else ""
        version = f" (version {self.version})" if self.version else ""
        by = f"{', '.join(names)}{year}".removesuffix(".")
        return f"{by}. {self.title}{version}. {self._where}".strip()

    @property
    def _where(self) -> str:
        number = f"({self.number})" if self.number else ""
        pages = f"{':' if self.volume else ', '}{self.pages}" if self.pages else ""
        volume = f" {self.volume}" if self.volume else ""
        place = f"{self.journal}{volume}{number}{pages}"
        marks = [
            f"doi:{self.doi}" if self.doi else "",
            f"arXiv:{self.eprint}" if self.eprint else "",
        ]
        told = [place, *(mark for mark in marks if mark)]
        return ". ".join(part for part in told if part)

    @property
    def bibtex(self) -> str:
        """Return the BibTeX entry."""
        where = {"article": "journal", "inproceedings": "booktitle"}.get(self.kind, "howpublished")
        fields = {
            "author": " and ".join(map(_bibtex_name, self.authors)),
            "title": f"{{{self.title}}}",  # keeps capitals
            "year": str(self.year or ""),
            "version": self.version,
            where: self.journal,
            "volume": self.volume,
            "number": self.number,
            "pages": self.pages.replace("-", "--"),
            "doi": self.doi,
            "eprint": self.eprint,
            "archiveprefix": "arXiv" if self.eprint else "",
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


def _bibtex_name(name: str) -> str:
    """Return an author; a group's name is kept together."""
    return name if ", " in name or name == "others" else f"{{{name}}}"


_NIPY = ("Gorgolewski, K", "Burns, CD", "Madison, C", "others")
_FRONTIERS = "Frontiers in Neuroinformatics"

WORKS = {
    "gradients": Work(
        "Aganj2018",
        "article",
        ("Aganj, I",),
        "Automatic verification of the gradient table in diffusion-weighted MRI based on fiber "
        "continuity",
        2018,
        "Scientific Reports",
        "8",
        pages="16541",
        doi="10.1038/s41598-018-34940-4",
    ),
    "bids": Work(
        "Gorgolewski2016",
        "article",
        ("Gorgolewski, KJ", "Auer, T", "Calhoun, VD", "others"),
        "The brain imaging data structure, a format for organizing and describing outputs of "
        "neuroimaging experiments",
        2016,
        "Scientific Data",
        "3",
        pages="160044",
        doi="10.1038/sdata.2016.44",
    ),
    "bids_apps": Work(
        "Gorgolewski2017",
        "article",
        ("Gorgolewski, KJ", "Alfaro-Almagro, F", "Auer, T", "others"),
        "BIDS apps: Improving ease of use, accessibility, and reproducibility of neuroimaging data "
        "analysis methods",
        2017,
        "PLOS Computational Biology",
        "13",
        "3",
        "e1005209",
        "10.1371/journal.pcbi.1005209",
    ),
    "bids_sr": Work(
        "bids_sr",
        "software",
        ("The bids_sr developers",),
        "bids_sr: super-resolution of diffusion MRI as a BIDS-App",
    ),
    "dipy": Work(
        "Garyfallidis2014",
        "article",
        ("Garyfallidis, E", "Brett, M", "Amirbekian, B", "others"),
        "Dipy, a library for the analysis of diffusion MRI data",
        2014,
        _FRONTIERS,
        "8",
        pages="8",
        doi="10.3389/fninf.2014.00008",
    ),
    "ensemble": Work(
        "Lim2017",
        "inproceedings",
        ("Lim, B", "Son, S", "Kim, H", "Nah, S", "Lee, KM"),
        "Enhanced deep residual networks for single image super-resolution",
        2017,
        "IEEE Conference on Computer Vision and Pattern Recognition Workshops",
        pages="1132-1140",
        doi="10.1109/CVPRW.2017.151",
    ),
    "gqi": Work(
        "Yeh2010",
        "article",
        ("Yeh, F-C", "Wedeen, VJ", "Tseng, W-YI"),
        "Generalized q-sampling imaging",
        2010,
        "IEEE Transactions on Medical Imaging",
        "29",
        "9",
        "1626-1635",
        "10.1109/TMI.2010.2045126",
    ),
    "harmonics": Work(
        "Descoteaux2007",
        "article",
        ("Descoteaux, M", "Angelino, E", "Fitzgibbons, S", "Deriche, R"),
        "Regularized, fast, and robust analytical Q-ball imaging",
        2007,
        "Magnetic Resonance in Medicine",
        "58",
        "3",
        "497-510",
        "10.1002/mrm.21277",
    ),
    "kernels": Work(
        "Mildenhall2018",
        "inproceedings",
        ("Mildenhall, B", "Barron, JT", "Chen, J", "Sharlet, D", "Ng, R", "Carroll, R"),
        "Burst denoising with kernel prediction networks",
        2018,
        "IEEE/CVF Conference on Computer Vision and Pattern Recognition",
        pages="2502-2510",
        doi="10.1109/CVPR.2018.00265",
    ),
    "method": Work(
        "LohrWerner2026",
        "misc",
        ("Lohr, D", "Werner, R"),
        "Layer Selection in Feature-Based Losses Affects Image Quality and Microstructural "
        "Consistency in Deep Learning Super-Resolution of Brain Diffusion MRI",
        2026,
        eprint="2605.15895",
    ),
    "mppca": Work(
        "Veraart2016",
        "article",
        ("Veraart, J", "Novikov, DS", "Christiaens, D", "others"),
        "Denoising of diffusion MRI using random matrix theory",
        2016,
        "NeuroImage",
        "142",
        pages="394-406",
        doi="10.1016/j.neuroimage.2016.08.016",
    ),
    "ndc": Work(
        "Yeh2019",
        "article",
        ("Yeh, F-C", "Zaydan, IM", "Suski, VR", "others"),
        "Differential tractography as a track-based biomarker for neuronal injury",
        2019,
        "NeuroImage",
        "202",
        pages="116131",
        doi="10.1016/j.neuroimage.2019.116131",
    ),
    "nibabel": Work(
        "NiBabel",
        "misc",
        ("Brett, M", "Markiewicz, CJ", "Hanke, M", "others"),
        "NiBabel: access to neuroimaging file formats",
        doi="10.5281/zenodo.591597",
    ),
    "nipype": Work(
        "Gorgolewski2011",
        "article",
        _NIPY,
        "Nipype: a flexible, lightweight and extensible neuroimaging data processing framework "
        "in Python",
        2011,
        _FRONTIERS,
        "5",
        pages="13",
        doi="10.3389/fninf.2011.00013",
    ),
    "piesno": Work(
        "Koay2009",
        "article",
        ("Koay, CG", "Özarslan, E", "Pierpaoli, C"),
        "Probabilistic Identification and Estimation of Noise (PIESNO): A self-consistent "
        "approach and its applications in MRI",
        2009,
        "Journal of Magnetic Resonance",
        "199",
        "1",
        "94-103",
    ),
    "pybids": Work(
        "Yarkoni2019",
        "article",
        ("Yarkoni, T", "Markiewicz, CJ", "de la Vega, A", "others"),
        "PyBIDS: Python tools for BIDS datasets",
        2019,
        "Journal of Open Source Software",
        "4",
        "40",
        "1294",
        "10.21105/joss.01294",
    ),
    "tensor": Work(
        "Basser1994",
        "article",
        ("Basser, PJ", "Mattiello, J", "LeBihan, D"),
        "MR diffusion tensor spectroscopy and imaging",
        1994,
        "Biophysical Journal",
        "66",
        "1",
        "259-267",
        "10.1016/S0006-3495(94)80775-1",
    ),
    "torch": Work(
        "Paszke2019",
        "inproceedings",
        ("Paszke, A", "Gross, S", "Massa, F", "others"),
        "PyTorch: an imperative style, high-performance deep learning library",
        2019,
        "Advances in Neural Information Processing Systems",
        "32",
        doi="10.48550/arXiv.1912.01703",
    ),
    "unet": Work(
        "Ronneberger2015",
        "inproceedings",
        ("Ronneberger, O", "Fischer, P", "Brox, T"),
        "U-Net: convolutional networks for biomedical image segmentation",
        2015,
        "Medical Image Computing and Computer-Assisted Intervention",
        pages="234-241",
        doi="10.1007/978-3-319-24574-4_28",
    ),
    "vgg": Work(
        "Simonyan2015",
        "inproceedings",
        ("Simonyan, K", "Zisserman, A"),
        "Very deep convolutional networks for large-scale image recognition",
        2015,
        "International Conference on Learning Representations",
        eprint="1409.1556",
    ),
}
"""Citable works, by a short name."""
