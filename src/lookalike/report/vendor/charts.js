import * as echarts from 'echarts/core';
import { BarChart, LineChart, HeatmapChart } from 'echarts/charts';
import { GridComponent, TooltipComponent, VisualMapContinuousComponent, AriaComponent } from 'echarts/components';
import { CanvasRenderer, SVGRenderer } from 'echarts/renderers';
echarts.use([BarChart, LineChart, HeatmapChart, GridComponent, TooltipComponent, VisualMapContinuousComponent, AriaComponent, CanvasRenderer, SVGRenderer]);
export const init = echarts.init;
