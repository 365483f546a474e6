"""How good saliency maps are, by the measures of salient object detection."""
