// ONNX Runtime does nothing by itself.
#pragma once

namespace faceflow::inference {

// Some builds of ONNX Runtime (1.29 as npm carries it) send what they see to their maker, and keep a device id in the home folder
// and a log in the temporary one, unless ORT_DISABLE_TELEMETRY is set before a process' first Ort::Env. This sets it, for this
// process and those it starts; called before each environment that is made here. Changes the process' environment
// (setenv) the first time, which must not run beside another thread's getenv. Thread-safe otherwise.
void switch_telemetry_off();

}  // namespace faceflow::inference
