// SPDX-License-Identifier: Apache-2.0
// NVML, NVIDIA's management library: a card's own counters. It comes with the driver and is loaded at run time; nothing
// links it and none of its headers is needed.
#pragma once

#include <memory>
#include <string>

#include "faceflow/result.hpp"
#include "telemetry/gpu_sampler.hpp"

namespace faceflow::internal {

// Opens the readings of the card at a PCI bus id such as "0000:3B:00.0". A figure is omitted if the library or the card
// lacks its function; for a card in MIG mode all are omitted, since they would cover all of its instances. A read takes
// some 40 ms, over which PCIe throughput is measured. `library` is a name or path for dlopen. errc::unavailable: the
// library is missing, does not start, or does not know the card.
[[nodiscard]] result<std::unique_ptr<gpu_readings>> open_nvml(const std::string& bus_id,
                                                              const std::string& library = "libnvidia-ml.so.1");

}  // namespace faceflow::internal
