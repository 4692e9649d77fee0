// SPDX-License-Identifier: Apache-2.0
// NVML, NVIDIA's management library: what a card counts about itself. It comes with the driver and is opened at run time; nothing
// links it and no header of it is needed.
#pragma once

#include <memory>
#include <string>

#include "faceflow/result.hpp"
#include "telemetry/gpu_sampler.hpp"

namespace faceflow {

// The readings of the card at a PCI bus id such as "0000:3B:00.0". A function that the library lacks, or that is not
// supported for the card, leaves its figure out; of a card in MIG mode all are left out, since they would be those of all its
// instances together. A read takes some 40 ms, which PCIe throughput is measured over. `library` is a name or path for dlopen.
// errc::unavailable: no such library, it does not start, or it does not know the card.
[[nodiscard]] result<std::unique_ptr<gpu_readings>> open_nvml(const std::string& bus_id,
                                                              const std::string& library = "libnvidia-ml.so.1");

}  // namespace faceflow
