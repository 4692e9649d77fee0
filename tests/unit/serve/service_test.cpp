// SPDX-License-Identifier: Apache-2.0
// Sources that come and go, without a server.
#include "serve/service.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "serve/metrics_text.hpp"
#include "serve/statistics.hpp"
#include "support.hpp"

namespace faceflow::internal::serve {
namespace {

using namespace std::chrono_literals;

bool within_a_minute(const std::function<bool()>& condition) {
    for (int i = 0; i < 6000 && !condition(); ++i)
        std::this_thread::sleep_for(10ms);
    return condition();
}

class the_service : public testing::Test {
protected:
    void SetUp() override {
        options chosen;
        chosen.detector = detector::blazeface;
        chosen.device = "cpu";
        chosen.threads = 2;
        auto made = service::create({.chosen = chosen, .note = [](const std::string&) {}});
        ASSERT_OK(made);
        service_ = std::move(*made);
    }
    [[nodiscard]] source_state state(const char* name) const { return service_->report(name).value().source.state; }
    std::unique_ptr<service> service_;
};

TEST_F(the_service, takes_each_name_once_and_only_names_that_addresses_can_hold) {
    ASSERT_OK(service_->add({"a", "/no/such/file"}));
    EXPECT_EQ(service_->add({"a", "/other"}).error().code, errc::invalid_argument);
    for (const std::string& name : {std::string(), std::string(65, 'x'), std::string("a b"), std::string("a/b"),
                                    std::string(".."), std::string(".a"), std::string("ä")})
        EXPECT_EQ(service_->add({name, "/other"}).error().code, errc::invalid_argument) << name;
    EXPECT_EQ(service_->add({"b", ""}).error().code, errc::invalid_argument);
    EXPECT_EQ(service_->reports().size(), 1u);
    EXPECT_OK(service_->rename("a", "b"));
    EXPECT_OK(service_->rename("b", "b"));
    EXPECT_EQ(service_->remove("a").error().code, errc::not_found);
    EXPECT_OK(service_->remove("b"));
    EXPECT_TRUE(service_->reports().empty());
}

TEST_F(the_service, tries_a_source_that_is_not_there_again_and_pauses_meanwhile) {
    ASSERT_OK(service_->add({"gone", "/no/such/file"}));
    EXPECT_TRUE(within_a_minute([&] { return state("gone") == source_state::retrying; }));
    EXPECT_FALSE(service_->report("gone")->source.message.empty());
    EXPECT_OK(service_->pause("gone", true));
    EXPECT_TRUE(within_a_minute([&] { return state("gone") == source_state::paused; }));
    EXPECT_OK(service_->pause("gone", false));
    EXPECT_TRUE(within_a_minute([&] { return state("gone") == source_state::retrying; }));
}

TEST_F(the_service, has_room_for_so_many_sources_and_uses_places_again) {
    for (std::size_t i = 0; i < service::max_sources; ++i)
        ASSERT_OK(service_->add({"s" + std::to_string(i), "/no/such/file"}));
    EXPECT_EQ(service_->add({"more", "/no/such/file"}).error().code, errc::unavailable);
    ASSERT_OK(service_->remove("s7"));
    EXPECT_OK(service_->add({"more", "/no/such/file"}));
}

TEST_F(the_service, does_not_take_garbage_for_a_picture) {
    EXPECT_EQ(service_->faces_of("no picture", 10s).error().code, errc::corrupt);
}

TEST_F(the_service, counts_in_every_family_that_its_figures_have) {
    const std::string text = metrics_text(*service_);
    for (const char* family : {"faceflow_frames_total", "faceflow_latency_seconds_bucket", "faceflow_cache_hits_total",
                               "faceflow_pool_cap_bytes", "faceflow_syncs_total", "faceflow_uptime_seconds"})
        EXPECT_NE(text.find(family), std::string::npos) << family;
    EXPECT_EQ(statistics(*service_)["frames"], 0);
}

}  // namespace
}  // namespace faceflow::internal::serve
