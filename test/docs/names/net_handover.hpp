#pragma once

// compile only: net::handover::begin
