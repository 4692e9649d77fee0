# SPDX-License-Identifier: Apache-2.0
"""Converts MediaPipe's face models from TFLite to ONNX, exactly, with a dynamic batch.

    flatbuffer, flexbuffer   the two binary encodings that a TFLite file uses
    model                    what is in a TFLite file: tensors and operators
    graph                    an ONNX graph under construction
    operators                TFLite operators as ONNX nodes
    attention                the custom operators of the attention mesh, and its refinement
    packages                 where the models lie in the npm packages, and in the face landmarker's bundle

It needs numpy and onnx only: no TensorFlow, no schema compiler.
"""


class ConversionError(Exception):
    """The input is damaged, or asks for something that this converter does not do; the message says which."""
