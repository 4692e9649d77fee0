// SPDX-License-Identifier: Apache-2.0
// The shared library is made of faceflow_core alone; CMake wants a source of its own.
