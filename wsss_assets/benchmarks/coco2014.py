"""MS COCO 2014, its 80 thing categories as a segmentation benchmark."""

from __future__ import annotations

from wsss_assets.benchmarks import Benchmark, Layout, Split

__all__ = ["BENCHMARK", "CATEGORY_IDS"]

_LISTS = (
    "https://raw.githubusercontent.com/clovaai/WSSS-BED/"
    "c7800280830567b3f79f05bea6126c753d6b45f8/wsss_bed/data/coco2014"
)

CATEGORY_IDS = tuple(
    number for number in range(1, 91) if number not in {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
)
"""COCO's own category ids, which have ten gaps; `CATEGORY_IDS[c]` is the id of class `c`."""

BENCHMARK = Benchmark(
    name="coco2014",
    title="MS COCO 2014",
    classes=(
        "person",
        "bicycle",
        "car",
        "motorcycle",
        "airplane",
        "bus",
        "train",
        "truck",
        "boat",
        "traffic light",
        "fire hydrant",
        "stop sign",
        "parking meter",
        "bench",
        "bird",
        "cat",
        "dog",
        "horse",
        "sheep",
        "cow",
        "elephant",
        "bear",
        "zebra",
        "giraffe",
        "backpack",
        "umbrella",
        "handbag",
        "tie",
        "suitcase",
        "frisbee",
        "skis",
        "snowboard",
        "sports ball",
        "kite",
        "baseball bat",
        "baseball glove",
        "skateboard",
        "surfboard",
        "tennis racket",
        "bottle",
        "wine glass",
        "cup",
        "fork",
        "knife",
        "spoon",
        "bowl",
        "banana",
        "apple",
        "sandwich",
        "orange",
        "broccoli",
        "carrot",
        "hot dog",
        "pizza",
        "donut",
        "cake",
        "chair",
        "couch",
        "potted plant",
        "bed",
        "dining table",
        "toilet",
        "tv",
        "laptop",
        "mouse",
        "remote",
        "keyboard",
        "cell phone",
        "microwave",
        "oven",
        "toaster",
        "sink",
        "refrigerator",
        "book",
        "clock",
        "vase",
        "scissors",
        "teddy bear",
        "hair drier",
        "toothbrush",
    ),
    splits={
        "train": Split(
            name="train",
            images=82081,
            list_url=f"{_LISTS}/train_cls.txt",
            list_sha256="6e2c180d260cf870c3802ddca1bf32a2b5c6f1356a7498eca04fca4c7a484320",
            file_names=("train",),
        ),
        "val": Split(
            name="val",
            images=40137,
            list_url=f"{_LISTS}/val_cls.txt",
            list_sha256="a8877a8b90baea45e7d9cb59654532644e1f8f765c7fd0380c4507d7e78393bb",
            file_names=("val",),
        ),
    },
    layout=Layout(
        photos={"train": "train2014", "val": "val2014"},
        masks={"train": "SegmentationClass/train2014", "val": "SegmentationClass/val2014"},
        annotations={
            "train": "annotations/instances_train2014.json",
            "val": "annotations/instances_val2014.json",
        },
        help={
            "train2014": "unpack train2014.zip from cocodataset.org below the root",
            "val2014": "unpack val2014.zip from cocodataset.org below the root",
            "SegmentationClass/train2014": "COCO publishes none; make them: wsss-assets "
            "ground-truth --instances ROOT/annotations/instances_train2014.json "
            "--out ROOT/SegmentationClass/train2014",
            "SegmentationClass/val2014": "COCO publishes none; make them: wsss-assets "
            "ground-truth --instances ROOT/annotations/instances_val2014.json "
            "--out ROOT/SegmentationClass/val2014",
            "annotations/instances_train2014.json": "unpack annotations_trainval2014.zip from "
            "cocodataset.org below the root",
            "annotations/instances_val2014.json": "unpack annotations_trainval2014.zip from "
            "cocodataset.org below the root",
        },
    ),
    note=(
        "Only images with at least one annotated object count: 82,081 of 82,783 in train, "
        "40,137 of 40,504 in val. COCO publishes no semantic masks of the 80 classes: the rule "
        "for overlapping objects and crowds is part of every number."
    ),
)
