"""PASCAL VOC 2012, segmentation, with the SBD masks that the field adds to its training set."""

from __future__ import annotations

from wsss_assets.benchmarks import Benchmark, Layout, Split

__all__ = ["BENCHMARK"]

_LISTS = (
    "https://raw.githubusercontent.com/clovaai/WSSS-BED/"
    "c7800280830567b3f79f05bea6126c753d6b45f8/wsss_bed/data/voc2012"
)

BENCHMARK = Benchmark(
    name="voc2012",
    title="PASCAL VOC 2012",
    classes=(
        "aeroplane",
        "bicycle",
        "bird",
        "boat",
        "bottle",
        "bus",
        "car",
        "cat",
        "chair",
        "cow",
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    ),
    splits={
        "train": Split(
            name="train",
            images=1464,
            list_url=f"{_LISTS}/train_cls.txt",
            list_sha256="2f4a53eb69156ce5811b1d1bbe47cfcd6b79debb38ff4f7001bf65b50814b5c6",
            file_names=("train",),
        ),
        "train_aug": Split(
            name="train_aug",
            images=10582,
            list_url=f"{_LISTS}/train_aug_cls.txt",
            list_sha256="33670f0762162bf0159a79e80bfcfddda0b680c96ac12942f750e617c2b8898a",
            file_names=("train_aug", "trainaug"),
        ),
        "val": Split(
            name="val",
            images=1449,
            list_url=f"{_LISTS}/val_cls.txt",
            list_sha256="8c025d549af5a885e1dae513196acc1d6f0bea99b65aa785196368dcfc9a4c4f",
            file_names=("val",),
        ),
    },
    layout=Layout(
        photos=dict.fromkeys(("train", "train_aug", "val"), "JPEGImages"),
        masks={
            "train": "SegmentationClass",
            "train_aug": "SegmentationClassAug",
            "val": "SegmentationClass",
        },
        ids="ImageSets/Segmentation",
        annotations=dict.fromkeys(("train", "train_aug", "val"), "Annotations"),
        help={
            "JPEGImages": "it is part of VOCtrainval_11-May-2012.tar; name the folder that "
            "holds it (…/VOCdevkit/VOC2012) as the root",
            "SegmentationClass": "it is part of VOCtrainval_11-May-2012.tar",
            "SegmentationClassAug": "these are the SBD masks as palette PNGs; most people have "
            "them from one Dropbox archive, SegmentationClassAug.zip, whose link often dies; "
            "torchvision.datasets.SBDataset gets the .mat originals from their authors. "
            "Only scores and mask-derived labels on train_aug need them: train, val and the "
            "published label list of train_aug work without",
            "ImageSets/Segmentation": "it is part of VOCtrainval_11-May-2012.tar, but for "
            "train_aug.txt, which the field added: 'wsss-assets labels --split train_aug' "
            "gives its ids and labels",
            "Annotations": "it is part of VOCtrainval_11-May-2012.tar; only labels "
            "from XML need it",
        },
    ),
    note=(
        "train (1,464 images, VOC's own masks) and train_aug (10,582, SBD's masks added) are "
        "different ground truths: numbers on them do not compare. Labels made from masks and "
        "from XML annotations differ on 818 of the 10,582 train_aug images."
    ),
)
